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

// Values that are rounded, and their errors added up, while they are in the first-level cache.
constexpr std::int64_t kChunk = kLargestBlock;

// How values are cut: rows into segments, each with a scale of its own where the format has one for it, and those into
// chunks of whole blocks.
struct Cuts {
  std::int64_t row;
  std::int64_t segment;
  bool scale_of_segment = false;
  std::int64_t chunk = kChunk;
  std::int64_t block = 0;  // blocks no longer than a chunk, each with its own scale; else 0
};

Cuts cuts_of(const Format& format, std::int64_t count, std::int64_t row) {
  if (!has_scale(format)) return {count, count};
  if (format.per == Span::block && format.block <= kChunk) {
    return {row, row, false, kChunk / format.block * format.block, format.block};
  }
  if (shares_scale_across_rows(format)) return {count, count};
  return {row, format.per == Span::block ? std::min(format.block, row) : row, true};
}

std::int64_t round_group(const Format& format, std::span<float> values, const SharedScale& scale,
                         const std::uint32_t* random) {
  return has_integer_scale(format)
             ? round_to_integers(scale.integer, format.rounding, values, random)
             : round_to_scaled_element(format.element, scale.floating, format.rounding, values, random);
}

// Rounds blocks of any kind, one by one.
std::int64_t round_each_block(const Format& format, std::span<float> values, const SharedScale& scale,
                              const std::uint32_t* random) {
  std::int64_t saturated = 0;
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(format.block)) {
    const auto block = values.subspan(i, std::min(static_cast<std::size_t>(format.block), values.size() - i));
    const auto* words = random == nullptr ? nullptr : random + i;
    if (is_microscaled(format)) {
      saturated += round_mx_block(format, block, words);
    } else if (format.outer_scale != ScaleType::none) {
      saturated += round_scaled_block(format, scale.outer, block, words);
    } else {
      saturated += round_group(format, block, scale_of(format, block), words);
    }
  }
  return saturated;
}

std::int64_t round_blocks(const Format& format, std::span<float> values, const SharedScale& scale,
                          const std::uint32_t* random) {
  if (!can_round_together(format.block)) return round_each_block(format, values, scale, random);
  if (is_microscaled(format)) return round_to_mx(format, values, random);
  if (format.outer_scale != ScaleType::none) return round_to_scaled_blocks(format, scale.outer, values, random);
  if (format.range.kind != RangeRule::absmax || format.asymmetric) {
    return round_each_block(format, values, scale, random);
  }
  if (is_codebook(format) && format.scale.type == ScaleType::e8m0) {
    return round_each_block(format, values, scale, random);
  }
  if (has_float_scale(format)) return round_to_scaled_blocks(format, 1, values, random);
  return round_to_integer_blocks(format, values, random);
}

std::int64_t round_chunk(const Format& format, std::span<float> values, const SharedScale& scale, std::int64_t block,
                         const std::uint32_t* random) {
  if (!has_scale(format)) return round_to_element(format.element, format.rounding, format.saturate, values, random);
  return block == 0 ? round_group(format, values, scale, random) : round_blocks(format, values, scale, random);
}

// Both functions below call done(before, after, saturated) after each chunk. `before` is valid only with keeps_before.
//
// Rounds whole rows under the scales of their tiles.
template <bool keeps_before, typename Done>
void round_tiles(const Format& format, std::span<float> values, const Placement& placement, const Done& done) {
  const auto row = placement.row == 0 ? values.size() : static_cast<std::size_t>(placement.row);
  const auto rows = static_cast<std::int64_t>(values.size() / row);
  auto first = static_cast<std::int64_t>(placement.first) / static_cast<std::int64_t>(row);
  const auto* scales = placement.tiles;
  std::optional<TileScales> found;  // without those of a larger tensor, these rows are a matrix
  if (scales == nullptr) {
    first = 0;
    found.emplace(format, row, rows, rows);
    found->look(values, 0);
    found->end(format);
    scales = &*found;
  }
  const auto columns = std::min<std::size_t>(static_cast<std::size_t>(format.tile.columns), row);
  const bool takes_words = is_random(format.rounding);
  std::array<float, kChunk> before;
  std::array<std::uint32_t, kChunk> words;
  std::vector<FloatScale> floats;
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto begin = static_cast<std::size_t>(r) * row;
    const auto of_row = scales->of_row(first + r);
    for (std::size_t at = 0; at < row; at += kChunk) {
      const auto chunk = values.subspan(begin + at, std::min<std::size_t>(kChunk, row - at));
      if (takes_words) fill_random_words(placement.random, placement.first + begin + at, {words.data(), chunk.size()});
      if (keeps_before) std::copy(chunk.begin(), chunk.end(), before.begin());
      std::int64_t saturated = 0;
      if (has_float_scale(format)) {
        floats.clear();
        for (auto tile = at / columns; tile * columns < at + chunk.size(); ++tile)
          floats.push_back(of_row[tile].floating);
        saturated += round_to_scaled_groups(format.element, floats, columns, at % columns, format.rounding, chunk,
                                            takes_words ? words.data() : nullptr);
      }
      for (std::size_t i = 0; i < chunk.size() && !has_float_scale(format);) {
        const auto tile = (at + i) / columns;
        const auto count = std::min(chunk.size() - i, (tile + 1) * columns - at - i);
        saturated +=
            round_group(format, chunk.subspan(i, count), of_row[tile], takes_words ? words.data() + i : nullptr);
        i += count;
      }
      done(std::span<const float>(before.data(), chunk.size()), std::span<const float>(chunk), saturated);
    }
  }
}

template <bool keeps_before, typename Done>
void round_in_chunks(const Format& format, std::span<float> values, const Placement& placement, const Done& done) {
  if (shares_scale_in_tiles(format)) return round_tiles<keeps_before>(format, values, placement, done);
  const auto count = static_cast<std::int64_t>(values.size());
  const auto cuts = cuts_of(format, count, placement.row == 0 ? count : placement.row);
  const bool takes_words = is_random(format.rounding);
  SharedScale scale;
  if (shares_scale_across_rows(format)) scale = placement.scale ? *placement.scale : scale_of(format, values);
  std::array<float, kChunk> before;
  std::array<std::uint32_t, kChunk> words;

  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  };
  const auto round_segment = [&](std::int64_t segment, std::int64_t segment_end) {
    if (cuts.scale_of_segment) scale = scale_of(format, part(segment, segment_end));
    for (std::int64_t begin = segment; begin < segment_end; begin += cuts.chunk) {
      const auto chunk = part(begin, std::min(begin + cuts.chunk, segment_end));
      if (takes_words) {
        fill_random_words(placement.random, placement.first + static_cast<std::uint64_t>(begin),
                          {words.data(), chunk.size()});
      }
      if (keeps_before) std::copy(chunk.begin(), chunk.end(), before.begin());
      const auto saturated = round_chunk(format, chunk, scale, cuts.block, takes_words ? words.data() : nullptr);
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

// The rounding of values that are smoothed and rotated already, if they are to be.
std::int64_t round_as_they_are(const Format& format, std::span<float> values, const Placement& placement) {
  if (const auto* type = format.block_type) {
    const auto row = placement.row == 0 ? static_cast<std::int64_t>(values.size()) : placement.row;
    check_row(format, row);
    type->round_trip(*type, values, row, placement.importance);
    return 0;
  }
  std::int64_t total = 0;
  round_in_chunks<false>(format, values, placement, [&](auto, auto, std::int64_t saturated) { total += saturated; });
  return total;
}

// Half-precision scales of block types overflow: all values were finite before.
std::int64_t count_not_finite(std::span<const float> values) {
  return std::count_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
}

bool is_transformed(const Format& format, const Placement& placement) {
  return is_rotated(format) || !placement.column_factors.empty();
}

// Smooths and rotates whole rows, or undoes that; `at` is the place of the first among all values.
void transform_rows(const Format& format, const Placement& placement, Turn turn, std::span<float> rows,
                    std::int64_t at) {
  const auto scale = [&] {
    const auto& factors = placement.column_factors;
    if (!factors.empty()) scale_columns(factors, turn, rows, static_cast<std::size_t>(at) % factors.size());
  };
  if (turn == Turn::forward) scale();
  if (is_rotated(format)) rotate_rows(format.rotation, turn, rows, placement.row);
  if (turn == Turn::back) scale();
}

// Transforms, rounds and transforms back as many rows at a time as stay in the first-level cache; all rows where they
// share a scale that is to be found. Calls begin(rows) before and done(rows, saturated) after it.
template <typename Begin, typename Done>
void round_transformed(const Format& format, std::span<float> values, Placement placement, const Begin& begin,
                       const Done& done) {
  const auto count = static_cast<std::int64_t>(values.size());
  if (placement.row == 0) placement.row = count;
  check_row(format, placement.row);
  const bool finds_scale_of_all = (shares_scale_across_rows(format) && !placement.scale) ||
                                  (shares_scale_in_tiles(format) && placement.tiles == nullptr);
  const auto part = finds_scale_of_all ? count : std::max<std::int64_t>(1, kChunk / placement.row) * placement.row;
  const auto first = placement.first;
  for (std::int64_t at = 0; at < count; at += part) {
    const auto rows =
        values.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(std::min(part, count - at)));
    placement.first = first + static_cast<std::uint64_t>(at);
    begin(rows);
    transform_rows(format, placement, Turn::forward, rows, at);
    const auto saturated = round_as_they_are(format, rows, placement);
    transform_rows(format, placement, Turn::back, rows, at);
    done(rows, saturated);
  }
}

}  // namespace

std::int64_t round_values(const Format& format, std::span<float> values, const Placement& placement) {
  if (values.empty()) return 0;
  if (!is_transformed(format, placement)) return round_as_they_are(format, values, placement);
  std::int64_t total = 0;
  round_transformed(
      format, values, placement, [](auto) {}, [&](auto, std::int64_t saturated) { total += saturated; });
  return total;
}

RoundingErrors fake_quantize(const Format& format, std::span<float> values, const Placement& placement) {
  RoundingErrors total;
  if (is_transformed(format, placement)) {
    std::vector<float> before;
    round_transformed(
        format, values, placement, [&](std::span<float> rows) { before.assign(rows.begin(), rows.end()); },
        [&](std::span<float> rows, std::int64_t saturated) {
          total.add(errors_between(before, rows));
          total.saturated += format.block_type != nullptr ? count_not_finite(rows) : saturated;
        });
    return total;
  }
  if (format.block_type != nullptr) {
    const std::vector<float> before(values.begin(), values.end());
    round_values(format, values, placement);
    total = errors_between(before, values);
    total.saturated = count_not_finite(values);
    return total;
  }
  round_in_chunks<true>(format, values, placement,
                        [&](std::span<const float> before, std::span<const float> after, std::int64_t saturated) {
                          total.add(errors_between(before, after));
                          total.saturated += saturated;
                        });
  return total;
}

std::string row_misfit(const Format& format, std::int64_t row) {
  if (auto misfit = rotation_misfit(format.rotation, row); !misfit.empty()) return misfit;
  const auto* type = format.block_type;
  if (type == nullptr || row % type->block == 0) return "";
  return fmt::format("rows of {} values cannot be held in {}: {} wants a multiple of {}", row, format.name,
                     type->library, type->block);
}

void check_row(const Format& format, std::int64_t row) {
  if (const auto misfit = row_misfit(format, row); !misfit.empty()) throw usage_error(misfit);
}

}  // namespace fakequant
