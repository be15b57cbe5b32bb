#include "measure/token_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "measure/score_statistics.h"
#include "parallel.h"

namespace fakequant {
namespace {

struct TokenSums {
  double error2 = 0, signal2 = 0;
};

}  // namespace

void TokenErrors::add(std::span<const float> baseline, std::span<const float> variant, const TokenLayout& layout,
                      int threads) {
  std::vector<TokenSums> sums(layout.positions.size());
  parallel_for(static_cast<std::int64_t>(sums.size()), threads, [&](std::int64_t token) {
    auto& of_token = sums[static_cast<std::size_t>(token)];
    for (std::int64_t run = 0; run < layout.outer; ++run) {
      const auto begin = static_cast<std::size_t>((run * layout.tokens + token) * layout.inner);
      for (std::size_t i = begin; i < begin + static_cast<std::size_t>(layout.inner); ++i) {
        const auto difference = static_cast<double>(variant[i]) - static_cast<double>(baseline[i]);
        of_token.error2 += difference * difference;
        of_token.signal2 += static_cast<double>(baseline[i]) * static_cast<double>(baseline[i]);
      }
    }
  });
  for (std::size_t token = 0; token < sums.size(); ++token) {
    const auto& [error2, signal2] = sums[token];
    if (!std::isfinite(error2) || !std::isfinite(signal2)) continue;
    if (layout.positions[token] == 0) {
      first_error2_ += error2;
      first_signal2_ += signal2;
      ++first_count_;
      continue;
    }
    others_error2_ += error2;
    if (signal2 > 0) {
      errors_.push_back(std::sqrt(error2 / signal2));
    } else {
      errors_.push_back(error2 > 0 ? std::numeric_limits<double>::infinity() : 0);
    }
  }
}

TokenErrorFigures TokenErrors::figures() const {
  auto sorted = errors_;
  std::sort(sorted.begin(), sorted.end());
  TokenErrorFigures figures;
  figures.median = quantile(sorted, 0.5);
  figures.p90 = quantile(sorted, 0.9);
  figures.first = first_count_ == 0    ? std::numeric_limits<double>::quiet_NaN()
                  : first_signal2_ > 0 ? std::sqrt(first_error2_ / first_signal2_)
                  : first_error2_ > 0  ? std::numeric_limits<double>::infinity()
                                       : 0;
  const double all = first_error2_ + others_error2_;
  figures.first_share = all > 0 ? first_error2_ / all : 0;
  return figures;
}

}  // namespace fakequant
