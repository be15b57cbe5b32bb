#include "measure/text_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace fakequant {
namespace {

std::vector<Token> some_tokens(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(static_cast<Token>(random() % 50000));
  return tokens;
}

// In chunks of so many tokens, the first of each replaced as BOS does.
TextWindows windows_of(std::vector<Token> tokens, std::size_t chunk) {
  TextWindows windows;
  for (std::size_t begin = 0; begin + chunk <= tokens.size(); begin += chunk) {
    tokens[begin] = 1;
    windows.add({tokens.data() + begin, chunk});
  }
  return windows;
}

std::vector<Token> joined(std::vector<Token> a, const std::vector<Token>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(TextWindows, FindATextInItselfWhateverTheChunks) {
  for (const std::size_t count : {600u, 100000u}) {
    const auto tokens = some_tokens(count, 1);
    const auto sample = windows_of(tokens, 512).sample();
    EXPECT_LE(sample.size(), 8 * TextWindows::kKept);
    EXPECT_EQ(windows_of(tokens, 512).share_in(sample), 1.0);
    // Windows that the other chunks cut are missing.
    const auto with_others = windows_of(joined(some_tokens(77, 2), tokens), 256).share_in(sample);
    ASSERT_TRUE(with_others);
    EXPECT_GT(*with_others, 0.75) << count;
  }
}

TEST(TextWindows, TellWhatPartOfATextAnotherHas) {
  const auto sample = windows_of(some_tokens(100000, 1), 512).sample();
  const auto other = some_tokens(30000, 2);
  EXPECT_LT(windows_of(other, 512).share_in(sample).value_or(1), 0.01);
  const auto half = joined(some_tokens(30000, 1), other);
  EXPECT_NEAR(windows_of(half, 512).share_in(sample).value_or(0), 0.5, 0.05);
}

TEST(TextWindows, KeepTheSmallestHashes) {
  const auto tokens = some_tokens(20000, 3);
  const auto all = windows_of(tokens, 20000).sample();
  ASSERT_EQ(all.size(), 8 * TextWindows::kKept);
  std::vector<std::string> hashes;
  for (std::size_t i = 0; i < all.size(); i += 8) hashes.push_back(all.substr(i, 8));
  EXPECT_TRUE(std::is_sorted(hashes.begin(), hashes.end()));
  EXPECT_EQ(std::set(hashes.begin(), hashes.end()).size(), hashes.size());
  // In 20,000 of them the largest of 2,048 is at about a tenth of the range.
  EXPECT_NEAR(std::stod("0x" + hashes.back()) / 4294967296.0, 2048 / 20000.0, 0.02);
  // The order of the text does not matter.
  TextWindows reversed;
  for (std::size_t begin = 19000;; begin -= 1000) {
    reversed.add(std::span(tokens).subspan(begin, 1000));
    if (begin == 0) break;
  }
  TextWindows forward;
  for (std::size_t begin = 0; begin < 20000; begin += 1000) forward.add(std::span(tokens).subspan(begin, 1000));
  EXPECT_EQ(reversed.sample(), forward.sample());
}

TEST(TextWindows, KnowNothingOfWhatIsNoSample) {
  const auto windows = windows_of(some_tokens(600, 1), 300);
  for (const auto* text : {"", "0123456", "0123456g", "0000000200000001", "-0000001", "012345678"}) {
    EXPECT_FALSE(windows.share_in(text)) << text;
  }
  EXPECT_FALSE(TextWindows().share_in("00000001"));
  EXPECT_TRUE(windows.share_in("00000001"));
  // Too short for a window.
  TextWindows none;
  none.add(some_tokens(TextWindows::kTokens, 1));
  EXPECT_TRUE(none.sample().empty());
}

}  // namespace
}  // namespace fakequant
