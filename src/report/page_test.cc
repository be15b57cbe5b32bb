#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr PageTemplate kPage{
    R"(<html><script type="application/json" id="fakequant-data">null</script><script>draw</script></html>)", ""};

PageResults results(const std::string& model) {
  Json result;
  result["schema"] = "fakequant.inspect/1";
  result["model"] = model;
  return {{{"inspect.json", result}}, {{"other.json", "it is damaged"}}, {}};
}

TEST(Page, HoldsTheResultsWhereTheScriptFindsThem) {
  const auto page = to_page(results("m.gguf"), "results", {"fakequant report", "1.2", {}}, kPage);
  const std::string before = R"(<html><script type="application/json" id="fakequant-data">)", after = "</script>";
  ASSERT_TRUE(page.starts_with(before));
  const auto json = Json::parse(page.substr(before.size(), page.find(after) - before.size()));
  EXPECT_EQ(json["schema"], "fakequant.page/1");
  EXPECT_EQ(json["source"], "results");
  EXPECT_EQ(json["version"], "1.2");
  EXPECT_EQ(json["results"][0]["result"]["model"], "m.gguf");
  EXPECT_EQ(json["left_out"][0]["why"], "it is damaged");
  EXPECT_TRUE(page.ends_with("<script>draw</script></html>"));
}

TEST(Page, NoNameEndsTheElementThatHoldsIt) {
  const std::string hostile = "</script><img src=x onerror=alert(1)><!--<script>";
  const auto page = to_page(results(hostile), hostile, {hostile, hostile, {}}, kPage);
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  EXPECT_THAT(page, HasSubstr(R"(\u003c/script>\u003cimg src=x onerror=alert(1)>)"));
}

TEST(Page, BytesThatAreNoTextDoNotStopIt) {
  EXPECT_THAT(to_page(results("\xff.gguf"), "results", {}, kPage), HasSubstr("\xEF\xBF\xBD.gguf"));
}

TEST(Page, SaysWhatIsMissingWhenItWasBuiltWithoutIt) {
  constexpr PageTemplate kNone{"", "there was no npm"};
  EXPECT_THROW(check_page(kNone), Error);
  try {
    to_page(results("m.gguf"), "results", {}, kNone);
    FAIL() << "a page out of nothing";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "there was no npm");
  }
}

TEST(Page, TheOneThatWasBuiltInHasAPlaceForResults) {
  if (page_template().html.empty()) GTEST_SKIP() << page_template().missing;
  EXPECT_THAT(to_page(results("m.gguf"), "results", {}), HasSubstr(R"("model":"m.gguf")"));
}

}  // namespace
}  // namespace fakequant
