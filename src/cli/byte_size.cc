#include "cli/byte_size.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <utility>

#include "error.h"

namespace fakequant {

std::uint64_t parse_size(const char* option, const std::string& text, double least) {
  double value = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  const std::string unit(stop, end);
  constexpr std::pair<const char*, double> kUnits[] = {{"", 1},
                                                       {"B", 1},
                                                       {"kB", 1e3},
                                                       {"KB", 1e3},
                                                       {"MB", 1e6},
                                                       {"GB", 1e9},
                                                       {"KiB", 1024.0},
                                                       {"MiB", 1024.0 * 1024},
                                                       {"GiB", 1024.0 * 1024 * 1024}};
  for (const auto& [name, factor] : kUnits) {
    if (fault == std::errc{} && unit == name && value * factor >= least && value * factor < 1e18) {
      return static_cast<std::uint64_t>(value * factor);
    }
  }
  throw usage_error(
      fmt::format("{} {} is invalid: write bytes, or a number with kB, MB, GB, MiB or GiB", option, text));
}

}  // namespace fakequant
