// The reference experiment's finding on Llama-3.2-1B, whose only tensor with full precision is rope_freqs.weight.
//
// Its values follow from the model's published constants alone (rope theta 500000, head size 64, and rope scaling
// "llama3" with factor 32, low and high frequency factor 1 and 4, old context 8192), by the rule that llama.cpp's
// converter (convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors) writes them with. The figures are the
// reference's, to their printed digits.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "gguf/test_gguf.h"
#include "weights/apply.h"
#include "weights/census.h"
#include "weights/compare.h"

namespace fakequant {
namespace {

std::vector<float> llama_3_2_rope_factors() {
  constexpr double theta = 500000, head = 64, factor = 32, low = 1, high = 4, old_context = 8192;
  std::vector<float> factors;
  for (int i = 0; i < 32; ++i) {
    const double frequency = 1 / std::pow(theta, 2 * i / head);
    const double wavelength = 2 * std::numbers::pi / frequency;
    double value = 1;
    if (wavelength > old_context / low) {
      value = factor;
    } else if (wavelength >= old_context / high) {
      const double smooth = (old_context / wavelength - low) / (high - low);
      value = 1 / ((1 - smooth) / factor + smooth);
    }
    factors.push_back(static_cast<float>(value));
  }
  return factors;
}

TEST(RopeFreqs, HaveThePrecisionThatTheReferenceFound) {
  const TestFolder folder;
  const GgufModel model(
      folder.write("m.gguf", TestGguf().floats("rope_freqs.weight", llama_3_2_rope_factors()).bytes()));
  const auto census = take_census(model, "*", 1);
  EXPECT_EQ(census.tensors.at(0).low16_zero, 0.90625);
  EXPECT_FALSE(is_bf16_already(census.tensors.at(0)));
}

TEST(RopeFreqs, ChangeUnderTruncationAsTheReferenceFound) {
  const TestFolder folder;
  const GgufModel model(
      folder.write("m.gguf", TestGguf().floats("rope_freqs.weight", llama_3_2_rope_factors()).bytes()));
  const auto result =
      apply_to_files(model, {parse_rule("w:rope_freqs=bf16,round=zero")}, {}, folder.path("out.gguf"), 1);
  const auto printed = [](double value, int digits) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.*e", digits, value);
    return std::string(text.data());
  };
  const auto& errors = result.tensors.at(0).errors;
  EXPECT_EQ(errors.changed, 3);
  EXPECT_EQ(printed(errors.max_abs, 2), "4.17e-02");
  EXPECT_EQ(printed(errors.mean_abs(), 2), "1.74e-03");
  EXPECT_EQ(printed(errors.max_rel * 100, 1), "4.3e-01");

  // compare finds the same from the two files.
  const auto comparison = compare(model, GgufModel(folder.path("out.gguf")), 1);
  EXPECT_EQ(comparison.tensors.at(0).changed, 3);
  EXPECT_EQ(comparison.tensors.at(0).max_abs, errors.max_abs);
  EXPECT_EQ(comparison.tensors.at(0).mean_abs, errors.mean_abs());
}

}  // namespace
}  // namespace fakequant
