// For tests: the values at which a wrong rounding shows.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "format/element.h"

namespace fakequant {

inline std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
inline float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// The same bits, or both NaN.
inline bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || bits_of(a) == bits_of(b); }

// The finite values of an element from 0 up, in order.
inline std::vector<double> magnitudes_of(const Element& element) {
  std::vector<double> values;
  for (std::uint32_t code = 0; code < 1u << (element.bits() - 1); ++code) {
    if (const double value = decode(element, code); std::isfinite(value)) values.push_back(value);
  }
  return values;
}

// Every value of an element, every midpoint between two of them, both float neighbours of each, values beyond the
// largest, and the negatives of all of these.
inline std::vector<float> edges_of(const Element& element) {
  std::vector<float> edges;
  const auto add = [&](double value) {
    const auto x = static_cast<float>(value);
    for (const float y : {std::nextafterf(x, -INFINITY), x, std::nextafterf(x, INFINITY)}) {
      edges.push_back(y);
      edges.push_back(-y);
    }
  };
  const auto values = magnitudes_of(element);
  for (std::size_t i = 0; i < values.size(); ++i) {
    add(values[i]);
    if (i > 0) add((values[i - 1] + values[i]) / 2);
  }
  const double step = values.back() - values[values.size() - 2];
  for (const double steps : {0.5, 1.0, 1.5, 2.0}) add(values.back() + steps * step);
  for (const std::uint32_t special : {0x7F800000u, 0xFF800000u, 0x7F800001u, 0xFFFFFFFFu, 0x7FC00000u, 0x7F7FFFFFu}) {
    edges.push_back(from_bits(special));
  }
  return edges;
}

inline std::vector<float> random_floats(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (auto& value : values) value = from_bits(static_cast<std::uint32_t>(random()));
  return values;
}

inline std::vector<float> normal_floats(std::size_t count, std::uint32_t seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (auto& value : values) value = normal(random);
  return values;
}

// Random words for stochastic rounding, the extremes among them.
inline std::vector<std::uint32_t> random_words_for_test(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> words(count);
  for (std::size_t i = 0; i < count; ++i) {
    words[i] = i % 7 == 0 ? 0 : (i % 7 == 1 ? 0xFFFFFFFFu : static_cast<std::uint32_t>(random()));
  }
  return words;
}

// All named elements, and some eXmY and mantissaN, with few enough values to list.
inline std::vector<Element> elements_for_test() {
  auto elements = named_elements();
  for (const char* name : {"e2m2", "e3m1", "e3m4", "e4m1", "e5m10", "e6m3", "e7m1", "e7m10", "e8m1", "e8m7",
                           "mantissa0", "mantissa1", "mantissa7", "mantissa10"}) {
    elements.push_back(*element_of(name));
  }
  elements.push_back(mxint8_element());
  return elements;
}

}  // namespace fakequant
