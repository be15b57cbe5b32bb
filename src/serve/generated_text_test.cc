#include "serve/generated_text.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(GeneratedText, SendsWholeCharacters) {
  GeneratedText text({});
  EXPECT_EQ(text.add("a\xE2\x82"), "a");
  EXPECT_EQ(text.add("\xAC"), "\xE2\x82\xAC");
  EXPECT_EQ(text.add("\xF0"), "");
  EXPECT_EQ(text.finish(), "\xF0");
}

TEST(GeneratedText, HoldsBackWhatMayBecomeAStop) {
  GeneratedText text({"\n\n", "END"});
  EXPECT_EQ(text.add("one\n"), "one");
  EXPECT_EQ(text.add("two E"), "\ntwo ");
  EXPECT_EQ(text.add("N"), "");
  EXPECT_EQ(text.add("T"), "ENT");
  EXPECT_FALSE(text.has_stopped());
  EXPECT_EQ(text.add("x\n\ny"), "x");
  EXPECT_TRUE(text.has_stopped());
  EXPECT_EQ(text.add("z"), "");
  EXPECT_EQ(text.finish(), "");
}

TEST(GeneratedText, TakesTheFirstOfSeveralStops) {
  GeneratedText text({"c", "bc"});
  EXPECT_EQ(text.add("abcd"), "a");
  EXPECT_TRUE(text.has_stopped());
}

TEST(GeneratedText, SendsAtTheEndWhatIsNoStop) {
  GeneratedText text({"stop"});
  EXPECT_EQ(text.add("sto"), "");
  EXPECT_EQ(text.finish(), "sto");
}

}  // namespace
}  // namespace fakequant
