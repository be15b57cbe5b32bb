#include "format/scale_rule.h"

#include <numbers>

namespace fakequant {

double largest_significand_kept(ScaleRule rule, [[maybe_unused]] const Element& element) {
  switch (rule) {
    case ScaleRule::floor:
      return 2;
    case ScaleRule::ceil:
      return 1;
    case ScaleRule::nearest:
      return std::numbers::sqrt2;  // no float32 has this significand
  }
  return 2;
}

}  // namespace fakequant
