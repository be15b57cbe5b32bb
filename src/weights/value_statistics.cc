#include "weights/value_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace fakequant {
namespace {

constexpr std::uint32_t kMantissaMask = 0x007FFFFFu;
constexpr int kMantissaBits = 23;

// The bits that one finite value other than zero uses.
void note_bits(std::uint32_t magnitude, ValueStatistics& statistics) {
  const std::uint32_t mantissa = magnitude & kMantissaMask;
  const int exponent = static_cast<int>(magnitude >> kMantissaBits);
  // value = whole * 2^scale
  const std::uint32_t whole = exponent == 0 ? mantissa : mantissa | (1u << kMantissaBits);
  const int scale = std::max(exponent, 1) - 127 - kMantissaBits;
  const int trailing = std::countr_zero(whole);
  statistics.mantissa_used |= mantissa;
  statistics.lowest_bit = std::min(statistics.lowest_bit, scale + trailing);
  statistics.most_significant_bits =
      std::max(statistics.most_significant_bits, static_cast<int>(std::bit_width(whole)) - trailing);
}

}  // namespace

void ValueStatistics::add(const ValueStatistics& other) {
  if (other.finite > 0) {
    const auto na = static_cast<double>(finite), nb = static_cast<double>(other.finite), n = na + nb;
    const double d = other.mean - mean, d2 = d * d;
    m4 += other.m4 + d2 * d2 * na * nb * (na * na - na * nb + nb * nb) / (n * n * n) +
          6 * d2 * (na * na * other.m2 + nb * nb * m2) / (n * n) + 4 * d * (na * other.m3 - nb * m3) / n;
    m3 += other.m3 + d2 * d * na * nb * (na - nb) / (n * n) + 3 * d * (na * other.m2 - nb * m2) / n;
    m2 += other.m2 + d2 * na * nb / n;
    mean += d * nb / n;
  }
  values += other.values;
  finite += other.finite;
  zeros += other.zeros;
  nans += other.nans;
  infs += other.infs;
  low16_zero += other.low16_zero;
  mantissa_used |= other.mantissa_used;
  most_significant_bits = std::max(most_significant_bits, other.most_significant_bits);
  lowest_bit = std::min(lowest_bit, other.lowest_bit);
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

ValueStatistics value_statistics(std::span<const float> values) {
  ValueStatistics s;
  s.values = static_cast<std::int64_t>(values.size());
  double sum = 0;
  for (const float x : values) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
    s.low16_zero += (bits & 0xFFFFu) == 0;
    if (magnitude >= 0x7F800000u) {
      ++(magnitude == 0x7F800000u ? s.infs : s.nans);
      continue;
    }
    ++s.finite;
    sum += static_cast<double>(x);
    s.min = std::min(s.min, x);
    s.max = std::max(s.max, x);
    if (magnitude == 0) {
      ++s.zeros;
    } else {
      note_bits(magnitude, s);
    }
  }
  if (s.finite == 0) return s;
  s.mean = sum / static_cast<double>(s.finite);
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    const double d = static_cast<double>(x) - s.mean, d2 = d * d;
    s.m2 += d2;
    s.m3 += d2 * d;
    s.m4 += d2 * d2;
  }
  return s;
}

int mantissa_bits(const ValueStatistics& statistics) {
  return statistics.mantissa_used == 0 ? 0 : kMantissaBits - std::countr_zero(statistics.mantissa_used);
}

std::vector<std::string> lossless_formats(const ValueStatistics& statistics) {
  struct Candidate {
    const char* name;
    int significant_bits;  // mantissa bits and the leading one
    int lowest_bit;        // exponent of the smallest subnormal
    float largest;
    bool has_infinity;
  };
  constexpr std::array<Candidate, 5> candidates{{{"bf16", 8, -133, 0x1.FEp127f, true},
                                                 {"f16", 11, -24, 65504.0f, true},
                                                 {"tf32", 11, -136, 0x1.FFCp127f, true},
                                                 {"e4m3", 4, -9, 448.0f, false},
                                                 {"e5m2", 3, -16, 57344.0f, true}}};
  std::vector<std::string> names;
  const float absmax = statistics.finite == 0 ? 0 : std::max(-statistics.min, statistics.max);
  for (const auto& format : candidates) {
    if (statistics.most_significant_bits <= format.significant_bits && statistics.lowest_bit >= format.lowest_bit &&
        absmax <= format.largest && (statistics.infs == 0 || format.has_infinity)) {
      names.emplace_back(format.name);
    }
  }
  if (const int bits = mantissa_bits(statistics); bits < kMantissaBits)
    names.push_back(fmt::format("mantissa{}", bits));
  return names;
}

}  // namespace fakequant
