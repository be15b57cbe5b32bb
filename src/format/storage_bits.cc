#include "format/storage_bits.h"

#include "format/block_kernel.h"
#include "format/scale.h"

namespace fakequant {
namespace {

constexpr std::int64_t kFloatBits = 32, kBlockScaleBits = 8;

std::int64_t blocks(const ValueRows& values, std::int64_t block) {
  return values.rows * ((values.length + block - 1) / block);
}

std::int64_t integer_scales(const Format& format, const ValueRows& values, ScaledAs scaled) {
  if (format.range.kind == RangeRule::static_range) return 0;
  switch (format.per.value_or(scaled == ScaledAs::weight ? Span::row : Span::token)) {
    case Span::tensor:
    case Span::token:
      return 1;
    case Span::row:
      return values.rows;
    case Span::block:
      return blocks(values, format.block);
  }
  return 0;
}

}  // namespace

std::int64_t storage_bits(const Format& format, const ValueRows& values, ScaledAs scaled) {
  const auto codes = [&](std::int64_t bits) { return bits * values.values(); };
  switch (format.family) {
    case Family::element:
      return codes(format.element.bits());
    case Family::integer:
      return codes(format.bits) +
             integer_scales(format, values, scaled) * (kFloatBits + (format.asymmetric ? format.bits : 0));
    case Family::mx:
      return codes(format.element.bits()) + blocks(values, kMxBlock) * kBlockScaleBits;
    case Family::nvfp4:
      return codes(format.element.bits()) + blocks(values, kNvfp4Block) * kBlockScaleBits +
             (format.range.kind == RangeRule::static_range ? 0 : kFloatBits);
    case Family::ggml: {
      const auto& type = ggml_type_of_format(format);
      return blocks(values, type.block) * type.bytes * 8;
    }
  }
  return 0;
}

}  // namespace fakequant
