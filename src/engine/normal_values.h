// For tests: values of a normal distribution.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace fakequant {

inline std::vector<float> normal_values(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = normal(random);
  return values;
}

}  // namespace fakequant
