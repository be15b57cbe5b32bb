#include "format/storage_bits.h"

namespace fakequant {
namespace {

std::int64_t block_count(const ValueRows& values, std::int64_t block) {
  return values.rows * ((values.length + block - 1) / block);
}

std::int64_t scale_count(const Format& format, const ValueRows& values, ScaledAs scaled) {
  switch (span_of_scale(format, scaled)) {
    case Span::tensor:
    case Span::token:
      return 1;
    case Span::row:
      return values.rows;
    case Span::block:
      return block_count(values, format.block);
    case Span::tile: {
      const auto matrix_rows = values.matrix_rows == 0 ? values.rows : values.matrix_rows;
      const auto bands = (matrix_rows + format.tile.rows - 1) / format.tile.rows;
      return block_count({matrix_rows == 0 ? 0 : values.rows / matrix_rows * bands, values.length},
                         format.tile.columns);
    }
  }
  return 0;
}

}  // namespace

std::int64_t storage_bits(const Format& format, const ValueRows& values, ScaledAs scaled) {
  if (const auto* type = format.block_type) return block_count(values, type->block) * type->bytes * 8;
  std::int64_t bits = format.element.bits() * values.values();
  const bool has_outer = format.outer_scale != ScaleType::none;
  if (has_scale(format) && (has_outer || !has_static_range(format))) {
    const std::int64_t zero_point_bits = format.asymmetric ? format.element.bits() : 0;
    bits += scale_count(format, values, scaled) * (bits_of(format.scale) + zero_point_bits);
  }
  if (format.subblock > 0) bits += block_count(values, format.subblock);
  if (has_outer && !has_static_range(format)) bits += bits_of(Scale{format.outer_scale});
  return bits;
}

}  // namespace fakequant
