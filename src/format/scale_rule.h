// The rules that give a block its E8M0 scale, a power of two.
//
// A rule takes the exponent of the block's absmax, raises it by 1 where the significand is large, and subtracts the
// exponent of the element's largest value. Rules differ only in when they raise it, so a new rule is one more value
// here and one more case in scale_rule.cc; the reference (scale.h) and the vector kernels (block_kernel.h) follow.
#pragma once

#include "format/element.h"
#include "format/words.h"

namespace fakequant {

enum class ScaleRule {
  floor,    // floor(log2(absmax)): the OCP specification's
  ceil,     // ceil(log2(absmax)): no element saturates
  nearest,  // log2(absmax) to the nearest whole number
  rceil,    // ceil(log2(absmax / largest)): the smallest scale under which no element saturates
  even,     // floor(log2(absmax rounded to the element's mantissa bits, ties away from zero))
};

inline constexpr auto kScaleRuleWords = std::to_array<Word<ScaleRule>>({{"floor", ScaleRule::floor},
                                                                        {"ceil", ScaleRule::ceil},
                                                                        {"nearest", ScaleRule::nearest},
                                                                        {"rceil", ScaleRule::rceil},
                                                                        {"even", ScaleRule::even}});

// The largest significand of a float32 absmax, from 1 to below 2, that leaves the exponent as it is; 2 if each does.
double largest_significand_kept(ScaleRule rule, const Element& element);

}  // namespace fakequant
