#include "weights/wide_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string_view>

#include "error.h"

namespace fakequant {
namespace {

template <typename T>
Buffer<long double> values_as(std::span<const std::byte> bytes) {
  Buffer<long double> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<long double>(value);
  }
  return values;
}

}  // namespace

bool is_wide(const std::string& type) {
  constexpr std::array<std::string_view, 5> wide = {"F64", "I64", "I32", "U64", "U32"};
  return std::find(wide.begin(), wide.end(), type) != wide.end();
}

bool is_integer(const std::string& type) {
  constexpr std::array<std::string_view, 9> integers = {"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"};
  return std::find(integers.begin(), integers.end(), type) != integers.end();
}

Buffer<long double> wide_values(const std::string& type, std::span<const std::byte> bytes) {
  if (type == "F64") return values_as<double>(bytes);
  if (type == "I64") return values_as<std::int64_t>(bytes);
  if (type == "I32") return values_as<std::int32_t>(bytes);
  if (type == "I16") return values_as<std::int16_t>(bytes);
  if (type == "I8") return values_as<std::int8_t>(bytes);
  if (type == "U64") return values_as<std::uint64_t>(bytes);
  if (type == "U32") return values_as<std::uint32_t>(bytes);
  if (type == "U16") return values_as<std::uint16_t>(bytes);
  if (type == "U8" || type == "BOOL") return values_as<std::uint8_t>(bytes);
  throw Error(fmt::format("{} is not a wide type", type));
}

ValueDifferences wide_differences(std::span<const long double> a, std::span<const long double> b) {
  ValueDifferences total;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool both_nan = std::isnan(a[i]) && std::isnan(b[i]);
    const bool same = both_nan || (a[i] == b[i] && std::signbit(a[i]) == std::signbit(b[i]));
    if (!same) ++total.changed;
    const auto error = std::fabs(a[i] - b[i]);
    if (!std::isfinite(error)) {
      if (!same) ++total.not_finite;
      continue;
    }
    const auto size = std::fabs(a[i]);
    total.max_abs = std::max(total.max_abs, static_cast<double>(error));
    if (size > 0) total.max_rel = std::max(total.max_rel, static_cast<double>(error / size));
    total.sum_abs += static_cast<double>(error);
    total.sum_error2 += static_cast<double>(error * error);
    total.sum_a2 += static_cast<double>(a[i] * a[i]);
    total.sum_b2 += static_cast<double>(b[i] * b[i]);
    total.sum_ab += static_cast<double>(a[i] * b[i]);
  }
  return total;
}

}  // namespace fakequant
