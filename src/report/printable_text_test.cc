#include "report/printable_text.h"

#include <gtest/gtest.h>

#include "report/display_width.h"

namespace fakequant {
namespace {

TEST(PrintableText, ReplacesWhatATerminalWouldObeyOrHide) {
  EXPECT_EQ(printable("bad\x1B[31m\t\n\x7F"), "bad\uFFFD[31m\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(printable("\u009B31m"), "\uFFFD31m");  // C1's control sequence introducer
  EXPECT_EQ(printable("a\u202Egpj.exe\u2066\u200F\u061C"), "a\uFFFDgpj.exe\uFFFD\uFFFD\uFFFD");  // directions
  EXPECT_EQ(printable("a\u200Bb\u2060c\uFEFFd\u00ADe"), "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe");        // no width
  EXPECT_EQ(printable("\u2028\u2029\U000E0041"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(printable("ok \xFF\xC3(\xE2\x82"), "ok \uFFFD\uFFFD(\uFFFD\uFFFD");  // no UTF-8
  EXPECT_EQ(printable("größer 注意力 → ± 🙂"), "größer 注意力 → ± 🙂");
}

TEST(PrintableText, KeepsTheLinesAndColoursOfAWholeOutput) {
  EXPECT_EQ(printable_lines("a\tb\n\x1B[1;36mc\x1B[0m\r\x1B[2J"), "a\tb\n\x1B[1;36mc\x1B[0m\uFFFD\uFFFD[2J");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("größe ± →"), 9);
  EXPECT_EQ(display_width("注意力"), 6);
  EXPECT_EQ(display_width("ｆ가🙂"), 6);
  EXPECT_EQ(display_width("e\u0301"), 1);  // a combining accent
  EXPECT_EQ(display_width("\xFF"), 1);
  EXPECT_EQ(display_width(""), 0);
}

}  // namespace
}  // namespace fakequant
