#include "format/scale_type.h"

#include <algorithm>
#include <cctype>

#include "format/reference.h"

namespace fakequant {
namespace {

bool has_no_sign(const Scale& scale) { return scale.number.name.starts_with('u'); }

}  // namespace

std::optional<Scale> scale_of_name(std::string_view name) {
  if (name == "f32") return Scale{ScaleType::f32};
  if (name == "e8m0") return Scale{ScaleType::e8m0};
  const bool is_unsigned = name.starts_with("ue");
  if (name.starts_with("mantissa")) return std::nullopt;
  auto number = element_of(is_unsigned ? name.substr(1) : name);
  if (!number) return std::nullopt;
  number->name = name;
  return Scale{ScaleType::small_float, ScaleRule::floor, *std::move(number)};
}

std::string name_of(const Scale& scale) {
  switch (scale.type) {
    case ScaleType::none:
      return "none";
    case ScaleType::f32:
      return "f32";
    case ScaleType::e8m0:
      return "e8m0";
    case ScaleType::small_float:
      return scale.number.name;
  }
  return {};
}

int bits_of(const Scale& scale) {
  switch (scale.type) {
    case ScaleType::none:
      return 0;
    case ScaleType::f32:
      return 32;
    case ScaleType::e8m0:
      return 8;
    case ScaleType::small_float:
      return scale.number.bits() - (has_no_sign(scale) ? 1 : 0);
  }
  return 0;
}

std::string title_of(const Scale& scale) {
  if (scale.type == ScaleType::none) return "";
  if (scale.type == ScaleType::f32) return "float32";
  auto title = name_of(scale);
  std::transform(title.begin(), title.end(), title.begin(), [](unsigned char c) { return std::toupper(c); });
  return title;
}

float least_of(const Scale& scale) {
  switch (scale.least) {
    case LeastScale::zero:
      return 0;
    case LeastScale::subnormal:
      return static_cast<float>(scale.number.smallest_subnormal());
    case LeastScale::normal:
      return static_cast<float>(scale.number.smallest_normal());
  }
  return 0;
}

float stored_in(const Scale& scale, float number) {
  if (scale.type != ScaleType::small_float) return number;
  return std::max(round_reference(scale.number, Rounding::nearest, true, number).value, least_of(scale));
}

}  // namespace fakequant
