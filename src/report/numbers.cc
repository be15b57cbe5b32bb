#include "report/numbers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace fakequant {

std::string count_text(std::int64_t count) {
  const auto digits = fmt::format("{}", count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const auto left = digits.size() - i;
    if (left % 3 == 0 && i > 0 && digits[i - 1] != '-') text += ',';
    text += digits[i];
  }
  return text;
}

std::string percent_text(double fraction) {
  const double percent = fraction * 100;
  // Three decimals unless it is a whole number, and never rounded to 100 % or 0 %.
  const bool is_round = std::fabs(percent - std::round(percent)) < 1e-9;
  return is_round ? fmt::format("{:.0f} %", percent) : fmt::format("{:.3f} %", std::clamp(percent, 0.001, 99.999));
}

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("{}", fmt::join(shape, "x")); }

std::string relative_text(double ratio) {
  if (!std::isfinite(ratio)) return "-";
  const double percent = ratio * 100;
  if (percent >= 1e6) return fmt::format("{:.1e} %", percent);
  return percent >= 10 ? fmt::format("{:.0f} %", percent) : fmt::format("{:.2g} %", percent);
}

std::string bytes_text(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000) return fmt::format("{:.2f} GB", value / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.1f} MB", value / 1e6);
  if (bytes >= 1'000) return fmt::format("{:.1f} kB", value / 1e3);
  return fmt::format("{} B", bytes);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::clamp(std::ceil(seconds), 0.0, 1e15));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min", whole / 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string value_text(double value) {
  if (!std::isfinite(value)) return "-";
  if (value == 0) return "0";
  const double size = std::fabs(value);
  return size < 1e-3 || size >= 1e6 ? fmt::format("{:.3e}", value) : fmt::format("{:.4g}", value);
}

std::string estimate_text(const Estimate& estimate) {
  if (!std::isfinite(estimate.value)) return "-";
  if (estimate.error <= 0 || !std::isfinite(estimate.error)) {
    return estimate.value == 0 ? "0" : fmt::format("{:.6g}", estimate.value);
  }
  const int digits = std::clamp(2 - static_cast<int>(std::floor(std::log10(estimate.error))), 4, 12);
  if (std::fabs(estimate.value) < 1e-3) return fmt::format("{:.3e} ± {:.1e}", estimate.value, estimate.error);
  return fmt::format("{:.{}f} ± {:.{}f}", estimate.value, digits, estimate.error, digits);
}

std::string layer_ranges(const std::vector<int>& layers) {
  std::string text;
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t last = i;
    while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
    text += (text.empty() ? "" : ",") +
            (i == last ? fmt::format("{}", layers[i]) : fmt::format("{}-{}", layers[i], layers[last]));
    i = last + 1;
  }
  return text;
}

std::string plural(std::int64_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count_text(count), noun, count == 1 ? "" : "s");
}

}  // namespace fakequant
