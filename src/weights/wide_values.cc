#include "weights/wide_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
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

void WideStatistics::add(const WideStatistics& other) {
  values.add(other.values);
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  fits_float = fits_float && other.fits_float;
  mantissa_bits = std::max(mantissa_bits, other.mantissa_bits);
}

WideStatistics wide_statistics(std::span<const long double> values) {
  WideStatistics total;
  Buffer<float> floats(values.size());
  long double sum = 0;
  std::int64_t finite = 0, zeros = 0, nans = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = values[i];
    floats[i] = static_cast<float>(value);
    nans += std::isnan(value);
    if (!std::isfinite(value)) continue;
    ++finite;
    zeros += value == 0;
    sum += value;
    total.min = std::min(total.min, value);
    total.max = std::max(total.max, value);
    total.fits_float = total.fits_float && static_cast<long double>(floats[i]) == value;
    const auto fraction = std::bit_cast<std::uint64_t>(static_cast<double>(value)) & ((std::uint64_t{1} << 52) - 1);
    if (fraction != 0) total.mantissa_bits = std::max(total.mantissa_bits, 52 - std::countr_zero(fraction));
  }
  auto& s = total.values = value_statistics(floats);
  s.finite = finite;
  s.zeros = zeros;
  s.nans = nans;
  s.infs = s.values - finite - nans;
  s.mean = s.m2 = s.m3 = s.m4 = 0;
  if (finite == 0) return total;
  const auto mean = sum / static_cast<long double>(finite);
  s.mean = static_cast<double>(mean);
  for (const auto value : values) {
    if (!std::isfinite(value)) continue;
    const auto d = static_cast<double>(value - mean);
    s.m2 += d * d;
    s.m3 += d * d * d;
    s.m4 += d * d * d * d;
  }
  return total;
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
