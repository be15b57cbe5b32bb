#include "format/random_words.h"

#include <gtest/gtest.h>

#include <vector>

#include "format/on_every_target.h"

namespace fakequant {
namespace {

// Random123's known answers for philox4x32-7 (its file kat_vectors).
TEST(RandomWords, AreThoseOfPhilox) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, 0), (Words{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Words{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}));
}

TEST(RandomWords, DependOnThePlaceOnly) {
  const RandomStream stream = {random_key(7, "blk.0.ffn_norm.weight"), (std::uint64_t{3} << 32) | 5};
  // Where the counter carries into its second word, too.
  for (const std::uint64_t base : {std::uint64_t{0}, (std::uint64_t{1} << 34) - 128, std::uint64_t{1} << 60}) {
    std::vector<std::uint32_t> expected(300);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = random_word(stream, base + i);
    on_every_target([&] {
      for (const std::size_t first : {0u, 1u, 15u, 16u, 63u, 64u, 100u}) {
        for (const std::size_t count : {0u, 1u, 3u, 17u, 64u, 65u, 200u}) {
          std::vector<std::uint32_t> words(count);
          fill_random_words(stream, base + first, words);
          for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(words[i], expected[first + i]);
        }
      }
    });
  }
}

TEST(RandomWords, DifferWithEachPartOfTheirPlace) {
  const auto key = random_key(1, "ffn_norm-0");
  EXPECT_NE(key, random_key(2, "ffn_norm-0"));
  EXPECT_NE(key, random_key(1, "ffn_norm-1"));
  std::vector<std::uint32_t> words(4096), other_row(4096), other_key(4096);
  fill_random_words({key, 0}, 0, words);
  fill_random_words({key, 1}, 0, other_row);
  fill_random_words({key ^ 1, 0}, 0, other_key);
  int alike = 0;
  double sum = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    alike += words[i] == other_row[i] || words[i] == other_key[i] || (i > 0 && words[i] == words[i - 1]);
    sum += words[i] / 4294967296.0;
  }
  EXPECT_EQ(alike, 0);
  EXPECT_NEAR(sum / 4096, 0.5, 5 * 0.2887 / 64);
}

}  // namespace
}  // namespace fakequant
