#include "cli/file_budget.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <utility>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

// "105MB", in units of 1000, or "100MiB", in units of 1024.
std::uint64_t parse_size(const std::string& text) {
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
    if (fault == std::errc{} && unit == name && value > 0 && value * factor < 1e18) {
      return static_cast<std::uint64_t>(value * factor);
    }
  }
  throw usage_error(fmt::format("--size {} is invalid: write bytes, or a number with kB, MB, GB, MiB or GiB", text));
}

}  // namespace

std::optional<FileBudget> file_budget(const std::string& size, const std::string& bits_per_weight,
                                      const std::string& model) {
  if (size.empty() && bits_per_weight.empty()) return std::nullopt;
  if (!size.empty() && !bits_per_weight.empty()) {
    throw usage_error("--size and --bpw are budgets of the same file: give one of them");
  }
  FileBudget budget{model, std::nullopt, std::nullopt};
  if (!size.empty()) {
    budget.size = parse_size(size);
    return budget;
  }
  const auto bits = number_of_text<double>(bits_per_weight);
  if (!bits || !(*bits > 0) || !(*bits < 64)) {
    throw usage_error(
        fmt::format("--bpw {} is invalid: write a number of bits per weight, such as 4.5", bits_per_weight));
  }
  budget.bits_per_weight = bits;
  return budget;
}

std::optional<double> parse_max_kld(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto value = number_of_text<double>(text);
  if (!value || !(*value >= 0)) {
    throw usage_error(fmt::format("--max-kld {} is invalid: write a divergence in nats, such as 0.01", text));
  }
  return value;
}

}  // namespace fakequant
