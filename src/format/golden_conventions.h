// For tests: tests/golden/conventions.txt, checksums of what the code of other libraries makes of some values.
// scripts/golden_conventions.py wrote it.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace fakequant {

struct GoldenConvention {
  std::string sum, format, library, version;
  std::string values;  // which: "wide" or "weights", or nothing

  std::uint64_t checksum() const { return std::stoull(sum, nullptr, 16); }
};

// All lines of the file, in the folder that SOURCE names; none if it cannot be read.
inline std::vector<GoldenConvention> golden_conventions() {
  std::ifstream file(std::string(std::getenv("SOURCE")) + "/tests/golden/conventions.txt");
  std::vector<GoldenConvention> all;
  std::string line;
  while (std::getline(file, line)) {
    auto& convention = all.emplace_back();
    std::istringstream(line) >> convention.sum >> convention.format >> convention.library >> convention.version >>
        convention.values;
  }
  return all;
}

// As checksum() of that script.
inline std::uint64_t golden_checksum(const std::vector<float>& values) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += std::bit_cast<std::uint32_t>(values[i] + 0.0f) * std::uint64_t{2 * i + 1};
  }
  return sum;
}

}  // namespace fakequant
