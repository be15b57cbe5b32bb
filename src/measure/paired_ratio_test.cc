#include "measure/paired_ratio.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <utility>
#include <vector>

namespace fakequant {
namespace {

using Random = std::mt19937_64;
using Draw = std::function<double(Random&)>;  // the logarithm of a pair's ratio

double normal(Random& random) { return std::normal_distribution<double>()(random); }
double exponential(Random& random) { return std::exponential_distribution<double>()(random); }

// A run on a busy machine: now and then it is held up for long.
double held_up(Random& random) {
  return 0.3 * normal(random) + (std::bernoulli_distribution(0.15)(random) ? 5 * exponential(random) : 0);
}

struct Pairs {
  const char* name;
  Draw draw;
  double median;
};

std::vector<Pairs> kinds_of_pairs() {
  return {{"normal", normal, 0},
          {"heavy tails", [](Random& r) { return normal(r) / std::sqrt(exponential(r)); }, 0},
          {"both held up", [](Random& r) { return held_up(r) - held_up(r); }, 0},
          {"skewed", exponential, std::log(2)}};
}

std::vector<double> ratios(const Draw& draw, int count, Random& random) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) times.push_back(std::exp(draw(random)));
  return times;
}

PairedRatio ratio_to_ones(const std::vector<double>& times) {
  return paired_ratio(times, std::vector<double>(times.size(), 1));
}

// The width, of logarithms, of the sign test's interval: between the values of this rank from both ends.
double sign_test_width(std::vector<double> times) {
  const auto n = static_cast<double>(times.size());
  std::size_t rank = 0;
  for (double below = 0; rank < times.size() / 2; ++rank) {
    const auto i = static_cast<double>(rank);
    below += std::exp(std::lgamma(n + 1) - std::lgamma(i + 1) - std::lgamma(n - i + 1) - n * std::log(2));
    if (below > 0.025) break;
  }
  std::sort(times.begin(), times.end());
  return std::log(times[times.size() - rank] / times[rank - 1]);
}

TEST(PairedRatio, FindsAFactorThroughDrift) {
  Random random(2);
  std::uniform_real_distribution<double> drift(1, 3), noise(0.99, 1.01);
  std::vector<double> baseline, variant;
  for (int i = 0; i < 40; ++i) {
    const double speed = drift(random);
    baseline.push_back(speed * noise(random));
    variant.push_back(speed * 1.1 * noise(random));
  }
  const auto ratio = paired_ratio(variant, baseline);
  EXPECT_NEAR(ratio.ratio, 1.1, 0.01);
  EXPECT_LT(ratio.low, ratio.ratio);
  EXPECT_GT(ratio.high, ratio.ratio);
  EXPECT_GT(ratio.low, 1.09);
  EXPECT_LT(ratio.high, 1.11);
}

TEST(PairedRatio, IsNotMovedByAFifthOfThePairs) {
  std::vector<double> times = {1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09, 1.10};
  const auto before = ratio_to_ones(times);
  times[8] = 50;
  times[9] = 1000;
  const auto after = ratio_to_ones(times);
  EXPECT_NEAR(after.ratio, before.ratio, 1e-12);
  EXPECT_LT(after.high, 50);
}

TEST(PairedRatio, SaysTheSameOfTheSameTimesAndTheReverseOfSwappedOnes) {
  Random random(5);
  const auto a = ratios(normal, 12, random), b = ratios(normal, 12, random);
  const auto first = paired_ratio(a, b), again = paired_ratio(a, b), swapped = paired_ratio(b, a);
  EXPECT_EQ(std::pair(first.low, first.high), std::pair(again.low, again.high));
  EXPECT_NEAR(swapped.ratio, 1 / first.ratio, 1e-9);
}

TEST(PairedRatio, OfTheFewestPairsIsTheirRange) {
  const auto ratio = ratio_to_ones({3, 1, 6, 2, 5, 4});
  EXPECT_NEAR(ratio.low, 1, 1e-12);
  EXPECT_NEAR(ratio.high, 6, 1e-12);
}

TEST(PairedRatio, OfEqualPairsIsExact) {
  const auto ratio = ratio_to_ones(std::vector<double>(20, 1));
  EXPECT_EQ(std::pair(ratio.low, ratio.high), std::pair(1.0, 1.0));
}

// What holds in 95 % of all sets holds in fewer than 365 of 400 less than once in a thousand times.
TEST(PairedRatio, HoldsTheTrueMedianAsOftenAsItSays) {
  constexpr int kSets = 400;
  for (const auto& pairs : kinds_of_pairs()) {
    for (const int count : {kFewestPairs, kFewestPairs + 1, 10, 20, 30}) {
      Random random(static_cast<std::uint64_t>(count));
      int held = 0;
      for (int set = 0; set < kSets; ++set) {
        const auto ratio = ratio_to_ones(ratios(pairs.draw, count, random));
        held += ratio.low <= std::exp(pairs.median) && std::exp(pairs.median) <= ratio.high ? 1 : 0;
      }
      EXPECT_GE(held, 365) << pairs.name << ", " << count << " pairs";
    }
  }
}

TEST(PairedRatio, IsNarrowerThanTheSignTestsInterval) {
  constexpr int kSets = 100;
  for (const auto& pairs : kinds_of_pairs()) {
    if (pairs.median != 0) continue;  // of skewed pairs it is about as wide
    for (const int count : {8, 30}) {
      Random random(static_cast<std::uint64_t>(count));
      std::vector<double> widths, others;
      for (int set = 0; set < kSets; ++set) {
        const auto times = ratios(pairs.draw, count, random);
        const auto ratio = ratio_to_ones(times);
        widths.push_back(std::log(ratio.high / ratio.low));
        others.push_back(sign_test_width(times));
      }
      EXPECT_LT(median(widths), median(others)) << pairs.name << ", " << count << " pairs";
    }
  }
}

}  // namespace
}  // namespace fakequant
