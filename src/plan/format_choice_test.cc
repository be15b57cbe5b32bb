#include "plan/format_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace fakequant {
namespace {

using Parts = std::vector<std::vector<FormatCost>>;

// The least divergence of all mixes, by their number of bits.
std::map<std::int64_t, double> all_mixes(const Parts& parts) {
  std::map<std::int64_t, double> mixes = {{0, 0.0}};
  for (const auto& options : parts) {
    std::map<std::int64_t, double> next;
    for (const auto& [bits, kld] : mixes) {
      for (const auto& option : options) {
        const auto [entry, is_new] = next.emplace(bits + option.bits, kld + option.kld);
        if (!is_new) entry->second = std::min(entry->second, kld + option.kld);
      }
    }
    mixes = std::move(next);
  }
  return mixes;
}

// The mixes that no other mix dominates.
std::vector<std::pair<std::int64_t, double>> best_of(const std::map<std::int64_t, double>& mixes) {
  std::vector<std::pair<std::int64_t, double>> best;
  for (const auto& mix : mixes) {
    if (best.empty() || mix.second < best.back().second) best.push_back(mix);
  }
  return best;
}

FormatMix sum_of(const Parts& parts, const std::vector<std::size_t>& options) {
  FormatMix mix;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    mix.bits += parts[p][options[p]].bits;
    mix.kld += parts[p][options[p]].kld;
  }
  return mix;
}

// Divergences are integers: sums do not depend on their order, and ties are frequent.
Parts random_parts(std::mt19937& random, std::size_t count, std::size_t max_options, int max_bits, int max_kld) {
  Parts parts(count);
  for (auto& options : parts) {
    options.resize(1 + random() % max_options);
    for (auto& option : options) {
      option = {static_cast<std::int64_t>(random() % static_cast<unsigned>(max_bits)),
                static_cast<double>(random() % static_cast<unsigned>(max_kld))};
    }
  }
  return parts;
}

TEST(FormatChoice, FindsTheBestMixForEveryBudget) {
  std::mt19937 random(1);
  for (int i = 0; i < 400; ++i) {
    const auto parts = random_parts(random, 1 + random() % 7, 5, i % 2 == 0 ? 12 : 200, i % 3 == 0 ? 5 : 100000);
    const auto mixes = all_mixes(parts);
    const FormatChoice choice(parts);
    EXPECT_EQ(choice.min_bits(), mixes.begin()->first);
    for (std::int64_t budget = mixes.begin()->first - 1; budget <= mixes.rbegin()->first + 1; ++budget) {
      double least = -1;
      for (const auto& [bits, kld] : best_of(mixes)) {
        if (bits <= budget) least = kld;
      }
      const auto mix = choice.under_bits(budget);
      ASSERT_EQ(mix.has_value(), least >= 0);
      if (!mix) continue;
      ASSERT_LE(mix->bits, budget);
      ASSERT_EQ(mix->kld, least);
      const auto sum = sum_of(parts, mix->options);
      ASSERT_EQ(sum.bits, mix->bits);
      ASSERT_EQ(sum.kld, mix->kld);
    }
  }
}

TEST(FormatChoice, FrontHasAllMixesThatAreNotDominated) {
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    const auto parts = random_parts(random, 1 + random() % 8, 5, 60, 10000);
    const auto best = best_of(all_mixes(parts));
    const FormatChoice choice(parts);
    const auto front = choice.front(100000);
    EXPECT_TRUE(front.is_whole);
    ASSERT_EQ(front.mixes.size(), best.size());
    for (std::size_t m = 0; m < best.size(); ++m) {
      EXPECT_EQ(front.mixes[m].bits, best[m].first);
      EXPECT_EQ(front.mixes[m].kld, best[m].second);
      EXPECT_EQ(choice.under_kld(best[m].second)->bits, best[m].first);
    }
    EXPECT_EQ(choice.under_kld(best.back().second - 0.5).has_value(), false);
    EXPECT_EQ(choice.under_kld(1e9)->bits, choice.min_bits());
  }
}

TEST(FormatChoice, SamplesALongFrontWithBothEnds) {
  std::mt19937 random(3);
  auto parts = random_parts(random, 12, 5, 1000, 100000);
  for (auto& options : parts) {
    for (auto& option : options) option.kld += static_cast<double>(1000 - option.bits) * 1000;
  }
  const auto best = best_of(all_mixes(parts));
  ASSERT_GT(best.size(), 100u);
  const auto front = FormatChoice(parts).front(40);
  EXPECT_FALSE(front.is_whole);
  EXPECT_LE(front.mixes.size(), 20u);
  EXPECT_GE(front.mixes.size(), 15u);
  EXPECT_EQ(front.mixes.front().bits, best.front().first);
  EXPECT_EQ(front.mixes.back().bits, best.back().first);
  for (const auto& mix : front.mixes) {
    EXPECT_TRUE(std::find(best.begin(), best.end(), std::pair(mix.bits, mix.kld)) != best.end());
  }
}

// Compares against dynamic programming over the bits. Like those of a model, the sizes have no large common divisor.
TEST(FormatChoice, FindsTheBestMixOfManyPartsOfUnequalSizes) {
  std::mt19937 random(4);
  std::uniform_real_distribution<double> spread(0.2, 5.0);
  Parts parts;
  for (int layer = 0; layer < 15; ++layer) {
    for (const std::int64_t values : {32, 33, 88, 129}) {
      const double sensitivity = spread(random) * 1e9 * static_cast<double>(values);
      auto& options = parts.emplace_back();
      for (const std::int64_t bits : {2, 3, 4, 5, 6, 8, 10, 12, 16}) {
        const double share = spread(random) * std::pow(4.0, -static_cast<double>(bits));
        options.push_back({values * bits + (bits % 3), bits == 16 ? 0.0 : std::floor(sensitivity * share)});
      }
    }
  }
  const FormatChoice choice(parts);
  const auto max_bits = static_cast<std::size_t>(choice.max_bits());
  std::vector<double> least(max_bits + 1, 0.0);
  for (const auto& options : parts) {
    std::vector<double> next(max_bits + 1, std::numeric_limits<double>::infinity());
    for (const auto& [bits, kld] : options) {
      for (auto budget = static_cast<std::size_t>(bits); budget <= max_bits; ++budget) {
        next[budget] = std::min(next[budget], least[budget - static_cast<std::size_t>(bits)] + kld);
      }
    }
    least = std::move(next);
  }
  for (auto budget = choice.min_bits(); budget <= choice.max_bits(); budget += 97) {
    const auto mix = choice.under_bits(budget);
    ASSERT_TRUE(mix.has_value());
    ASSERT_LE(mix->bits, budget);
    ASSERT_EQ(mix->kld, least[static_cast<std::size_t>(budget)]) << budget;
    const auto back = choice.under_kld(mix->kld);
    ASSERT_EQ(back->kld, mix->kld);
    ASSERT_EQ(back->bits, mix->bits);
  }
}

}  // namespace
}  // namespace fakequant
