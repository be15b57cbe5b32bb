#include "format/fake_quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "error.h"
#include "format/block_kernel.h"
#include "format/element_kernel.h"
#include "format/integer_kernel.h"

namespace fakequant {
namespace {

// Values that are rounded, and whose errors are counted, while they are in the first-level cache. A multiple of the
// blocks of MX and NVFP4.
constexpr std::int64_t kChunk = 2048;

// Whether one scale is shared by all values, or by more than these.
bool shares_one_scale(const Format& format) {
  return format.family == Family::nvfp4 ||
         (format.family == Family::integer && (format.per == Span::tensor || format.per == Span::token));
}

// How values are cut: rows into segments, each with a scale where integers have one for it, and those into chunks of
// whole blocks.
struct Cuts {
  std::int64_t row;
  std::int64_t segment;
  bool scale_of_segment = false;
  std::int64_t chunk = kChunk;
  std::int64_t block = 0;  // integers: shorter than a chunk, each with a scale of its own
};

Cuts cuts_of(const Format& format, std::int64_t count, std::int64_t row) {
  const bool knows_rows = format.family == Family::mx || format.family == Family::nvfp4 ||
                          (format.family == Family::integer && !shares_one_scale(format));
  if (!knows_rows) return {count, count};
  if (format.family != Family::integer) return {row, row};
  if (format.per != Span::block) return {row, row, true};
  if (format.block > kChunk) return {row, std::min(format.block, row), true};
  return {row, row, false, kChunk / format.block * format.block, format.block};
}

std::int64_t round_chunk(const Format& format, std::span<float> values, const SharedScale& scale, std::int64_t block,
                         const std::uint32_t* random) {
  switch (format.family) {
    case Family::element:
      return round_to_element(format.element, format.rounding, format.saturate, values, random);
    case Family::mx:
      return round_to_mx(format.element, format.rounding, format.scale_rounding, values, random);
    case Family::nvfp4:
      return round_to_nvfp4(scale.outer, format.rounding, values, random);
    case Family::integer:
      break;
    case Family::ggml:
      return 0;  // by whole rows, not here
  }
  if (block == 0) return round_to_integers(scale.integer, format.rounding, values, random);
  if (!format.asymmetric && format.range.kind == RangeRule::absmax && can_round_together(block)) {
    return round_to_integer_blocks(format.bits, block, format.rounding, values, random);
  }
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(block)) {
    const auto group = values.subspan(i, std::min(static_cast<std::size_t>(block), values.size() - i));
    saturated += round_to_integers(scale_of(format, group).integer, format.rounding, group,
                                   random == nullptr ? nullptr : random + i);
  }
  return saturated;
}

// Calls done(before, after, saturated) after each chunk; what `before` holds is only right where it is kept.
template <bool keeps_before, typename Done>
void round_in_chunks(const Format& format, std::span<float> values, const Placement& placement, const Done& done) {
  const auto count = static_cast<std::int64_t>(values.size());
  const auto cuts = cuts_of(format, count, placement.row == 0 ? count : placement.row);
  const bool is_random = format.rounding == Rounding::stochastic;
  SharedScale scale;
  if (shares_one_scale(format)) scale = placement.scale ? *placement.scale : scale_of(format, values);
  std::array<float, kChunk> before;
  std::array<std::uint32_t, kChunk> words;

  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  };
  const auto round_segment = [&](std::int64_t segment, std::int64_t segment_end) {
    if (cuts.scale_of_segment) scale = scale_of(format, part(segment, segment_end));
    for (std::int64_t begin = segment; begin < segment_end; begin += cuts.chunk) {
      const auto chunk = part(begin, std::min(begin + cuts.chunk, segment_end));
      if (is_random) {
        fill_random_words(placement.random, placement.first + static_cast<std::uint64_t>(begin),
                          {words.data(), chunk.size()});
      }
      if (keeps_before) std::copy(chunk.begin(), chunk.end(), before.begin());
      const auto saturated = round_chunk(format, chunk, scale, cuts.block, is_random ? words.data() : nullptr);
      done(std::span<const float>(before.data(), chunk.size()), std::span<const float>(chunk), saturated);
    }
  };
  for (std::int64_t row = 0; row < count; row += cuts.row) {
    const auto row_end = std::min(row + cuts.row, count);
    for (auto segment = row; segment < row_end; segment += cuts.segment) {
      round_segment(segment, std::min(segment + cuts.segment, row_end));
    }
  }
}

}  // namespace

std::int64_t round_values(const Format& format, std::span<float> values, const Placement& placement) {
  if (values.empty()) return 0;
  if (format.family == Family::ggml) {
    const auto row = placement.row == 0 ? static_cast<std::int64_t>(values.size()) : placement.row;
    check_row(format, row);
    ggml_round_trip(ggml_type_of_format(format), values, row, placement.importance);
    return 0;
  }
  std::int64_t total = 0;
  round_in_chunks<false>(format, values, placement, [&](auto, auto, std::int64_t saturated) { total += saturated; });
  return total;
}

RoundingErrors fake_quantize(const Format& format, std::span<float> values, const Placement& placement) {
  RoundingErrors total;
  if (format.family == Family::ggml) {
    const std::vector<float> before(values.begin(), values.end());
    round_values(format, values, placement);
    total = errors_between(before, values);
    // ggml's half-precision scales overflow: what went in finite and did not come out so.
    total.saturated = std::count_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
    return total;
  }
  round_in_chunks<true>(format, values, placement,
                        [&](std::span<const float> before, std::span<const float> after, std::int64_t saturated) {
                          total.add(errors_between(before, after));
                          total.saturated += saturated;
                        });
  return total;
}

void check_row(const Format& format, std::int64_t row) {
  if (format.family != Family::ggml) return;
  const auto& type = ggml_type_of_format(format);
  if (row % type.block == 0) return;
  throw usage_error(
      fmt::format("rows of {} values cannot be held in {}: ggml wants a multiple of {}", row, format.name, type.block));
}

}  // namespace fakequant
