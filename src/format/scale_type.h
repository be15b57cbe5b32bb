// The types in which a format stores its scales: "f32", "e8m0", or a small float such as "bf16", "e4m3" or "ue5m3".
//
// A small float holds scales rounded to the nearest, ties to even, and clamped to its largest value. ueXmY is eXmY
// without the sign, which no scale has. Numbers too small for it become 0, or its least above 0 where least= says so.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "format/element.h"
#include "format/scale_rule.h"
#include "format/words.h"

namespace fakequant {

enum class ScaleType {
  none,  // values stand for themselves
  f32,
  e8m0,  // a power of two, which a ScaleRule finds
  small_float,
};

// The smallest scale that a small float holds for values of any magnitude: smaller ones become it.
enum class LeastScale {
  zero,       // none: a scale may become 0, and the values with it
  subnormal,  // the smallest above 0: 2^-9 of E4M3
  normal,     // the smallest with a leading 1: 2^-6 of E4M3
};

inline constexpr auto kLeastScaleWords = std::to_array<Word<LeastScale>>(
    {{"zero", LeastScale::zero}, {"subnormal", LeastScale::subnormal}, {"normal", LeastScale::normal}});

// How the scale of values that share one is stored.
struct Scale {
  ScaleType type = ScaleType::none;
  ScaleRule rule = ScaleRule::floor;    // of E8M0
  Element number = {};                  // of a small float
  LeastScale least = LeastScale::zero;  // likewise

  bool operator==(const Scale&) const = default;
};

// The scale type of this name, in which every scale of a model can be told from 0: no value for an unknown name. Throws
// a usage error where the number in the name is out of range.
std::optional<Scale> scale_of_name(std::string_view name);

// Reads back as scale_of_name() does; without the rule.
std::string name_of(const Scale& scale);

int bits_of(const Scale& scale);

// As `formats` shows it.
std::string title_of(const Scale& scale);

// What stored_in() raises smaller numbers to.
float least_of(const Scale& scale);

// A number, not negative and finite, as the type holds it. Not for E8M0, whose scale follows from an absmax.
float stored_in(const Scale& scale, float number);

}  // namespace fakequant
