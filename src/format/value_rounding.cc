#include "format/value_rounding.h"
namespace fakequant {

GroupScale scale_of_group(const Format& format, const SharedScale& shared, std::span<const float> group) {
  if (!has_scale(format)) return {};
  if (is_microscaled(format)) {
    return {{}, mx_exponents(format, group).front()};
  }
  if (format.outer_scale != ScaleType::none) {
    return {{.floating = scale_of_block(format, shared.outer, group, nullptr)}, 0};
  }
  return {shares_scale_across_tensor(format) ? shared : scale_of(format, group), 0};
}

Rounded round_in_group(const Format& format, const GroupScale& scale, float x) {
  if (!has_scale(format)) return round_reference(format.element, format.rounding, format.saturate, x);
  if (is_microscaled(format)) return round_reference(format.element, format.rounding, true, x, 0, scale.exponent);
  if (has_integer_scale(format)) return round_to_integer(scale.shared.integer, format.rounding, x);
  return round_to_scaled(format.element, scale.shared.floating, format.rounding, x);
}

}  // namespace fakequant
