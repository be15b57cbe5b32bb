#include "report/side_by_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "characters.h"

namespace fakequant {
namespace {

using testing::HasSubstr;
using testing::Not;

const Screen kFile;
constexpr Screen kWide{120, false}, kWideAndColoured{120, true}, kNarrowAndColoured{60, true};

PartedTexts texts() { return {"baseline", "variant", "It is four, she said.", "It is five.", 5}; }

std::vector<std::string> lines(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); text.remove_prefix(character_length(text))) ++count;
  return count;
}

TEST(SideBySide, ShowsInAFileWhatIsAlikeOnceAndMarksTheRest) {
  EXPECT_EQ(side_by_side(texts(), kFile),
            "    alike     It is\n"
            "    baseline  >>> four, she said.\n"
            "    variant   >>> five.\n");
}

TEST(SideBySide, SaysWhenATextEndsWhereTheyPart) {
  EXPECT_EQ(side_by_side({"baseline", "variant", "Yes.", "Yes. No.", 4}, kFile),
            "    alike     Yes.\n"
            "    baseline  >>>(the end)\n"
            "    variant   >>> No.\n");
}

TEST(SideBySide, PutsBothBesideEachOtherWhereThereIsRoom) {
  const auto shown = lines(side_by_side(texts(), kWide));
  ASSERT_EQ(shown.size(), 2);
  EXPECT_EQ(shown[0].find("baseline"), shown[1].find("It is>>> four"));
  EXPECT_EQ(shown[0].find("variant"), shown[1].find("It is>>> five"));
}

TEST(SideBySide, FillsNoMoreColumnsThanThereAre) {
  std::string a, b;
  for (int i = 0; i < 100; ++i) a += i % 7 == 0 ? "größer\n" : "Wörter und ";
  b = a + std::string(500, 'x');  // without a place to break
  for (const int columns : {kColumnsForTwo, 101, 160}) {
    const auto text = side_by_side({"baseline", "variant", a, b, a.size()}, {columns, false});
    EXPECT_GT(lines(text).size(), 500 / static_cast<std::size_t>(columns));
    for (const auto& line : lines(text)) EXPECT_LE(characters(line), static_cast<std::size_t>(columns)) << line;
  }
}

TEST(SideBySide, ColoursTheDifferenceAndNothingElse) {
  for (const auto& screen : {kWideAndColoured, kNarrowAndColoured}) {
    const auto text = side_by_side(texts(), screen);
    EXPECT_THAT(text, HasSubstr("\x1B[1;36m four, she said.\x1B[0m"));
    EXPECT_THAT(text, HasSubstr("\x1B[1;33m five.\x1B[0m"));
    EXPECT_THAT(text, Not(HasSubstr(">>>")));
    EXPECT_THAT(text, HasSubstr("It is"));
  }
  EXPECT_THAT(side_by_side(texts(), kWide), Not(HasSubstr("\x1B")));
}

TEST(SideBySide, CutsNoCharacterInTwo) {
  // "ü" and "ö" have their first byte in common.
  const auto text = side_by_side({"baseline", "variant", "f\xC3\xBCr", "f\xC3\xB6r", 2}, kFile);
  EXPECT_TRUE(utf8::is_valid(text));
  EXPECT_THAT(text, HasSubstr("alike     f\n"));
  EXPECT_THAT(text, HasSubstr(">>>\xC3\xBCr\n"));
}

TEST(SideBySide, ShowsNothingThatATerminalWouldObey) {
  const auto text = side_by_side({"baseline", "va\x1Briant", "a\x1B[2J\r\xC2\x9B", "a\xFF", 1}, kWide);
  for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= ' ');
  EXPECT_TRUE(utf8::is_valid(text));
  EXPECT_THAT(text, Not(HasSubstr("\xC2\x9B")));
  EXPECT_TRUE(utf8::is_valid(indented("\xFF\xFE", 2)));
}

TEST(SideBySide, QuotesATokenInOneLine) {
  EXPECT_EQ(quoted(" four"), "\" four\"");
  EXPECT_EQ(quoted("a\n\"\\\x1B\xE2"), R"("a\n\"\\\x1B\xE2")");
}

}  // namespace
}  // namespace fakequant
