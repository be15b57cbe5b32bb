// Formats against the libraries that deploy them: tests/golden/conventions.txt has checksums of what their own code
// makes of the values below, and of a model's weights (weights/conventions_test.cc). scripts/golden_conventions.py
// wrote it.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "format/fake_quantize.h"
#include "format/golden_conventions.h"

namespace fakequant {
namespace {

constexpr std::uint32_t kRows = 1024, kColumns = 1024;

// As golden_values() of that script: where `wide`, rows are smaller and smaller, by 31 powers of two.
std::vector<float> golden_values(bool wide) {
  std::vector<float> values;
  for (std::uint32_t i = 0; i < kRows * kColumns; ++i) {
    std::uint32_t word = i * 2654435761u;
    word = (word ^ (word >> 15)) * 2246822519u;
    word = (word ^ (word >> 13)) * 3266489917u;
    word ^= word >> 16;
    const auto kind = word & 0xFFu;
    const auto number = kind == 1 ? 0.0 : static_cast<double>(word >> 8) - (1 << 23);
    const auto row = static_cast<int>(i / kColumns);
    const int exponent = (wide ? -(row % 32) : row % 4) - 25 + (kind == 0 ? 5 : 0) - (kind == 2 ? 140 : 0);
    values.push_back(static_cast<float>(std::ldexp(number, exponent)));
  }
  return values;
}

TEST(Conventions, AreThoseOfTheirOwners) {
  const auto ordinary = golden_values(false), wide = golden_values(true);
  std::set<std::string> libraries;
  for (const auto& convention : golden_conventions()) {
    if (convention.values == "weights") continue;
    libraries.insert(convention.library);
    auto rounded = convention.values == "wide" ? wide : ordinary;
    round_values(parse_format(convention.format), rounded, {.row = kColumns});
    EXPECT_EQ(golden_checksum(rounded), convention.checksum()) << convention.format << " " << convention.library;
  }
  EXPECT_EQ(libraries.size(), 6u);
}

}  // namespace
}  // namespace fakequant
