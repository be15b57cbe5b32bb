#include "measure/node_difference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "parallel.h"

namespace fakequant {
namespace {

// With fewer values, waking other threads costs more than the comparison.
constexpr std::int64_t kWorthSharing = 1 << 16;

struct Range {
  std::int32_t absmax_bits = 0;  // of the finite values: the bits of non-negative floats have the same order
  std::int64_t not_finite = 0;
};

Range range_of(std::span<const float> values) {
  constexpr std::int32_t kInfinity = 0x7F800000;
  std::int32_t absmax = 0, not_finite = 0;
  const float* const first = values.data();
  const auto count = static_cast<std::int64_t>(values.size());
#pragma omp simd reduction(max : absmax) reduction(+ : not_finite)
  for (std::int64_t i = 0; i < count; ++i) {
    const auto magnitude = std::bit_cast<std::int32_t>(first[i]) & 0x7FFFFFFF;
    const bool is_not_finite = magnitude >= kInfinity;
    not_finite += is_not_finite ? 1 : 0;
    absmax = std::max(absmax, is_not_finite ? 0 : magnitude);
  }
  return {absmax, not_finite};
}

NodeDifference difference_of_row(std::span<const float> baseline, std::span<const float> variant) {
  NodeDifference difference;
  difference.errors = errors_between(baseline, variant);
  difference.not_finite_baseline = range_of(baseline).not_finite;
  const auto range = range_of(variant);
  difference.not_finite_variant = range.not_finite;
  difference.absmax_variant = static_cast<double>(std::bit_cast<float>(range.absmax_bits));
  return difference;
}

}  // namespace

void NodeDifference::add(const NodeDifference& other) {
  errors.add(other.errors);
  absmax_variant = std::max(absmax_variant, other.absmax_variant);
  not_finite_baseline += other.not_finite_baseline;
  not_finite_variant += other.not_finite_variant;
}

double NodeDifference::relative_error() const {
  if (errors.sum_error2 == 0) return 0;
  if (errors.sum_signal2 == 0) return std::numeric_limits<double>::infinity();
  return std::sqrt(errors.sum_error2 / errors.sum_signal2);
}

double NodeDifference::relative_harm() const {
  return not_finite_variant == not_finite_baseline ? relative_error() : std::numeric_limits<double>::infinity();
}

NodeDifference difference_between(std::span<const float> baseline, std::span<const float> variant, std::int64_t columns,
                                  int threads) {
  const auto count = static_cast<std::int64_t>(baseline.size());
  NodeDifference total;
  if (count == 0) return total;
  const auto rows = count / columns;
  std::vector<NodeDifference> parts(static_cast<std::size_t>(rows));
  const auto rows_a_piece = std::max<std::int64_t>(1, kWorthSharing / 4 / columns);
  parallel_for((rows + rows_a_piece - 1) / rows_a_piece, count < kWorthSharing ? 1 : threads, [&](std::int64_t piece) {
    const auto end = std::min(rows, (piece + 1) * rows_a_piece);
    for (auto row = piece * rows_a_piece; row < end; ++row) {
      const auto first = static_cast<std::size_t>(row * columns), size = static_cast<std::size_t>(columns);
      parts[static_cast<std::size_t>(row)] =
          difference_of_row(baseline.subspan(first, size), variant.subspan(first, size));
    }
  });
  for (const auto& part : parts) total.add(part);
  return total;
}

}  // namespace fakequant
