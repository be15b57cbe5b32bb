// The types in which a format stores its scales.
#pragma once

#include <string_view>

namespace fakequant {

enum class ScaleType {
  none,  // values stand for themselves
  f32,
  e8m0,  // a power of two, which a ScaleRule finds
  e4m3,
};

constexpr int bits_of(ScaleType type) {
  switch (type) {
    case ScaleType::none:
      return 0;
    case ScaleType::f32:
      return 32;
    case ScaleType::e8m0:
    case ScaleType::e4m3:
      return 8;
  }
  return 0;
}

// As `formats` shows it.
constexpr std::string_view title_of(ScaleType type) {
  switch (type) {
    case ScaleType::none:
      return "";
    case ScaleType::f32:
      return "float32";
    case ScaleType::e8m0:
      return "E8M0";
    case ScaleType::e4m3:
      return "E4M3";
  }
  return "";
}

}  // namespace fakequant
