#include "format/scale_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "error.h"
#include "format/element_kernel.h"
#include "format/integer_kernel.h"
#include "format/rounding_errors.h"

namespace fakequant {
namespace {

// A range scaled to a percentage.
ValueRange part_of(const ValueRange& range, int percent) {
  const auto part = [percent](float x) { return static_cast<float>(static_cast<double>(x) * percent / 100); };
  return {part(range.low), part(range.high)};
}

ValueRange clipped(const ValueRange& range, float magnitude) {
  return {std::max(range.low, -magnitude), std::min(range.high, magnitude)};
}

bool loses_all(const Format& format, const SharedScale& scale) {
  return (has_integer_scale(format) ? scale.integer.scale : scale.floating.scale) == 0;
}

double squared_error(const Format& format, const SharedScale& scale, Rounding rounding, std::span<const float> values) {
  if (has_integer_scale(format)) return integer_squared_error(scale.integer, rounding, values);
  constexpr std::size_t kPart = 1024;  // values that stay in the first-level cache
  std::array<float, kPart> rounded;
  double sum = 0;
  for (std::size_t begin = 0; begin < values.size(); begin += kPart) {
    const auto part = values.subspan(begin, std::min(kPart, values.size() - begin));
    const std::span after(rounded.data(), part.size());
    std::copy(part.begin(), part.end(), after.begin());
    round_to_scaled_element(format.element, scale.floating, rounding, after, nullptr);
    sum += errors_between(part, after).sum_error2;
  }
  return sum;
}

// The squared errors of every range tried, the narrowest first.
std::vector<double> errors_of_ranges(const Format& format, const ValueRange& range, std::span<const float> values) {
  const auto rounding = rounding_tried(format);
  std::vector<double> errors;
  for (int percent = 1; percent <= kRangesTried; ++percent) {
    const auto scale = scale_tried(format, range, percent);
    errors.push_back(scale ? squared_error(format, *scale, rounding, values) : std::numeric_limits<double>::infinity());
  }
  return errors;
}

// The two ranks next to a percentile of `count` values, and the fraction of the way from the first to the second.
struct Ranks {
  std::int64_t below = 0;
  std::int64_t above = 0;
  double fraction = 0;
};

Ranks ranks_of(double percent, std::int64_t count) {
  const double rank = percent / 100 * static_cast<double>(count - 1);
  const auto below = static_cast<std::int64_t>(rank);
  return {below, std::min(below + 1, count - 1), rank - static_cast<double>(below)};
}

float between(float below, float above, double fraction) {
  return static_cast<float>(below + fraction * (static_cast<double>(above) - static_cast<double>(below)));
}

float percentile_of_magnitudes(double percent, std::span<const float> values) {
  std::vector<float> magnitudes;
  magnitudes.reserve(values.size());
  for (const float x : values) {
    if (std::isfinite(x)) magnitudes.push_back(std::fabs(x));
  }
  if (magnitudes.empty()) return 0;
  const auto ranks = ranks_of(percent, static_cast<std::int64_t>(magnitudes.size()));
  const auto nth = magnitudes.begin() + ranks.below;
  std::nth_element(magnitudes.begin(), nth, magnitudes.end());
  const float above = ranks.above == ranks.below ? *nth : *std::min_element(nth + 1, magnitudes.end());
  return between(*nth, above, ranks.fraction);
}

constexpr std::size_t kUpperBins = 0x7F80;  // finite magnitudes
constexpr std::size_t kLowerBins = 0x10000;

SharedScale scale_of_number(const Format& format) {
  return static_scale(format, {-format.range.magnitude, format.range.magnitude});
}

void check_range_is_found(const Format& format) {
  if (finds_range_by_output(format)) refuse_what_needs_products(format);
  if (!needs_range_file(format)) return;
  throw usage_error(fmt::format(
      "range={} has ranges for a model's activations, and these values are not one of them: take range=absmax",
      to_string(format.range)));
}

// The bin that holds the value of this rank; `rank` becomes its rank within the bin.
std::size_t bin_of(const std::vector<std::int64_t>& bins, std::int64_t& rank) {
  std::size_t bin = 0;
  for (; rank >= bins[bin]; ++bin) rank -= bins[bin];
  return bin;
}

}  // namespace

SharedScale static_scale(const Format& format, const ValueRange& range) {
  if (format.outer_scale != ScaleType::none) return {.outer = outer_scale(format, range.absmax())};
  if (has_float_scale(format)) return {.floating = float_scale(format, range.absmax())};
  return {.integer = integer_scale(format, range)};
}

std::optional<SharedScale> scale_tried(const Format& format, const ValueRange& range, int percent) {
  const auto scale = static_scale(format, part_of(range, percent));
  return loses_all(format, scale) ? std::nullopt : std::optional(scale);
}

Rounding rounding_tried(const Format& format) {
  return is_random(format.rounding) ? Rounding::nearest : format.rounding;
}

SharedScale best_scale(const Format& format, const ValueRange& range, const std::vector<double>& errors) {
  const auto best = std::min_element(errors.rbegin(), errors.rend());
  return static_scale(format, part_of(range, static_cast<int>(errors.rend() - best)));
}

SharedScale scale_of(const Format& format, std::span<const float> group) {
  check_range_is_found(format);
  if (format.range.kind == RangeRule::number) return scale_of_number(format);
  const auto range = range_of(group);
  switch (format.range.kind) {
    case RangeRule::percentile:
      return static_scale(format, clipped(range, percentile_of_magnitudes(format.range.percent, group)));
    case RangeRule::mse:
      return best_scale(format, range, errors_of_ranges(format, range, group));
    case RangeRule::absmax:
    case RangeRule::output:
    case RangeRule::static_range:
    case RangeRule::number:
      break;
  }
  return static_scale(format, range);
}

TensorScaleSearch::TensorScaleSearch(const Format& format) : format_(format) {
  check_range_is_found(format);
  if (format.range.kind == RangeRule::number) scale_ = scale_of_number(format);
  if (format.range.kind != RangeRule::percentile) return;
  upper_.resize(kUpperBins);
  for (auto& bins : lower_) bins.resize(kLowerBins);
}

int TensorScaleSearch::passes() const {
  if (format_.range.kind == RangeRule::number) return 0;
  return format_.range.kind == RangeRule::absmax ? 1 : 2;
}

std::vector<double> TensorScaleSearch::look(std::span<const float> piece) {
  const bool counts = format_.range.kind == RangeRule::percentile;
  if (pass_ == 1 && !counts) return errors_of_ranges(format_, range_, piece);

  std::vector<std::int64_t> upper(counts && pass_ == 0 ? kUpperBins : 0);
  std::array<std::vector<std::int64_t>, 2> lower;
  for (auto& bins : lower) bins.resize(counts && pass_ == 1 ? kLowerBins : 0);
  if (counts) {
    for (const float x : piece) {
      const auto bits = std::bit_cast<std::uint32_t>(std::fabs(x));
      const std::size_t bin = bits >> 16;
      if (bin >= kUpperBins) continue;
      if (pass_ == 0) ++upper[bin];
      for (std::size_t r = 0; pass_ == 1 && r < bins_.size(); ++r) lower[r][bits & 0xFFFFu] += bin == bins_[r];
    }
  }
  const auto range = pass_ == 0 ? range_of(piece) : ValueRange{};
  const std::lock_guard lock(mutex_);
  range_.widen(range);
  const auto add = [](std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from) {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
  };
  add(upper_, upper);
  for (std::size_t r = 0; r < lower.size(); ++r) add(lower_[r], lower[r]);
  return {};
}

void TensorScaleSearch::end_pass(const std::vector<std::vector<double>>& sums) {
  ++pass_;
  if (format_.range.kind == RangeRule::absmax) scale_ = static_scale(format_, range_);
  if (format_.range.kind == RangeRule::mse && pass_ == 2) {
    std::vector<double> errors(kRangesTried);
    for (const auto& piece : sums) {
      for (std::size_t i = 0; i < errors.size(); ++i) errors[i] += piece[i];
    }
    scale_ = best_scale(format_, range_, errors);
  }
  if (format_.range.kind != RangeRule::percentile) return;
  std::int64_t count = 0;
  for (const auto bin : upper_) count += bin;
  if (count == 0) return;
  const auto ranks = ranks_of(format_.range.percent, count);
  std::array<std::int64_t, 2> rank = {ranks.below, ranks.above};
  for (std::size_t r = 0; r < rank.size(); ++r) bins_[r] = bin_of(upper_, rank[r]);
  if (pass_ < 2) return;
  std::array<float, 2> values{};
  for (std::size_t r = 0; r < rank.size(); ++r) {
    const auto low_bits = bin_of(lower_[r], rank[r]);
    values[r] = std::bit_cast<float>(static_cast<std::uint32_t>(bins_[r] << 16 | low_bits));
  }
  scale_ = static_scale(format_, clipped(range_, between(values[0], values[1], ranks.fraction)));
}

SharedScale TensorScaleSearch::scale() const { return scale_; }

}  // namespace fakequant
