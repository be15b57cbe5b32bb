#include "format/scale_rule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fakequant {

double largest_significand_kept(ScaleRule rule, const Element& element) {
  const int exponent = std::ilogb(element.largest);
  switch (rule) {
    case ScaleRule::floor:
      return 2;
    case ScaleRule::ceil:
      return 1;
    case ScaleRule::nearest:
      return std::numbers::sqrt2;  // no float32 has this significand
    case ScaleRule::rceil:
      return std::ldexp(element.largest, -exponent);
    case ScaleRule::even: {
      // From half a step below 2 on, it rounds to 2. A fixed-point element has fewer steps than its mantissa bits say.
      const int step = std::max(exponent, element.min_exponent) - element.mantissa_bits - exponent;
      return 2 - std::ldexp(1.0, step - 1) - 0x1p-23;
    }
  }
  return 2;
}

}  // namespace fakequant
