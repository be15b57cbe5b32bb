#include "report/table.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

Table table() {
  Table table({"name<", "count"});
  table.add_row({"a|b", "1"});
  table.add_row({"±", "1,000"});
  return table;
}

TEST(Table, AlignsColumnsByWhatIsShown) {
  EXPECT_EQ(table().to_text(),
            "  name   count\n"
            "  a|b        1\n"
            "  ±      1,000\n");
}

TEST(Table, AlignsWideAndCombiningCharacters) {
  Table table({"name<", "count"});
  table.add_row({"注意力", "1"});
  table.add_row({"e\u0301\u009B", "2"});
  EXPECT_EQ(table.to_text(),
            "  name     count\n"
            "  注意力       1\n"
            "  e\u0301\uFFFD           2\n");
}

TEST(Table, IsMarkdown) {
  EXPECT_EQ(table().to_markdown(),
            "| name | count |\n"
            "| --- | ---: |\n"
            "| a\\|b | 1 |\n"
            "| ± | 1,000 |\n");
}

}  // namespace
}  // namespace fakequant
