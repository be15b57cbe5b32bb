#include "format/rounding.h"

namespace fakequant {

std::string to_string(Rounding rounding) {
  switch (rounding) {
    case Rounding::nearest:
      return "nearest";
    case Rounding::away:
      return "away";
    case Rounding::zero:
      return "zero";
    case Rounding::up:
      return "up";
    case Rounding::down:
      return "down";
    case Rounding::stochastic:
      return "stochastic";
  }
  return {};
}

std::optional<Rounding> rounding_of(std::string_view name) {
  for (const auto rounding : kRoundings) {
    if (to_string(rounding) == name) return rounding;
  }
  return std::nullopt;
}

std::string rounding_names() { return "nearest, away, zero, up, down or stochastic"; }

}  // namespace fakequant
