#include "format/element_kernel.h"

#include <gtest/gtest.h>

#include "format/on_every_target.h"
#include "format/reference.h"
#include "format/test_values.h"

namespace fakequant {
namespace {

class EveryKernel : public testing::TestWithParam<Element> {};

TEST_P(EveryKernel, EqualsTheReferenceOnEveryTarget) {
  const auto& element = GetParam();
  auto values = edges_of(element);
  const auto more = random_floats(100003, 7);
  values.insert(values.end(), more.begin(), more.end());
  const auto words = random_words_for_test(values.size(), 8);
  for (const auto rounding : kRoundings) {
    const auto* random = rounding == Rounding::stochastic ? words.data() : nullptr;
    for (const bool saturate : {false, true}) {
      std::vector<float> expected(values.size());
      std::int64_t saturated = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto rounded = round_reference(element, rounding, saturate, values[i], words[i]);
        expected[i] = rounded.value;
        saturated += rounded.saturated;
      }
      on_every_target([&] {
        auto rounded = values;
        ASSERT_EQ(round_to_element(element, rounding, saturate, rounded, random), saturated) << to_string(rounding);
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_TRUE(same(rounded[i], expected[i]))
              << to_string(rounding) << " of " << values[i] << " is " << rounded[i] << ", not " << expected[i];
        }
      });
    }
  }
}

// The elements that have too many values to list.
TEST(ElementKernel, EqualsTheReferenceForWideElements) {
  for (const char* name : {"mantissa16", "mantissa20", "mantissa22", "mantissa23"}) {
    const auto element = *element_of(name);
    const auto values = random_floats(300007, 9);
    const auto words = random_words_for_test(values.size(), 10);
    for (const auto rounding : kRoundings) {
      on_every_target([&] {
        auto rounded = values;
        round_to_element(element, rounding, false, rounded, rounding == Rounding::stochastic ? words.data() : nullptr);
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_TRUE(same(rounded[i], round_reference(element, rounding, false, values[i], words[i]).value));
        }
      });
    }
  }
}

std::vector<Element> floating_elements() {
  auto elements = elements_for_test();
  std::erase_if(elements, [](const Element& element) { return element.exponent_bits == 0; });
  return elements;
}

INSTANTIATE_TEST_SUITE_P(Elements, EveryKernel, testing::ValuesIn(floating_elements()),
                         [](const auto& info) { return info.param.name; });

TEST(ElementKernel, RoundsNothingOutsideTheSpan) {
  for (const char* name : {"bf16", "e4m3"}) {
    on_every_target([&] {
      for (std::size_t size = 0; size < 70; ++size) {
        for (std::size_t offset = 0; offset < 3; ++offset) {
          std::vector<float> values(size + offset + 1, 1.001f);
          round_to_element(*element_of(name), Rounding::nearest, false, std::span(values).subspan(offset, size),
                           nullptr);
          for (std::size_t i = 0; i < values.size(); ++i) {
            ASSERT_EQ(values[i], i >= offset && i < offset + size ? 1.0f : 1.001f);
          }
        }
      }
    });
  }
}

}  // namespace
}  // namespace fakequant
