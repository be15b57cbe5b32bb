#include "engine/gelu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "format/on_every_target.h"

namespace fakequant {
namespace {

double exact_gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

double exact_gelu_quick(double x) { return x / (1 + std::exp(-1.702 * x)); }

// A few units in the last place of float32, where F16 has 2^-11.
void expect_near(const std::vector<float>& inputs, const std::vector<float>& results, double (*exact)(double)) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const double expected = exact(double{inputs[i]});
    EXPECT_NEAR(double{results[i]}, expected, 1e-6 * std::fabs(double{inputs[i]}) + 1e-30) << inputs[i];
  }
}

TEST(Gelu, IsTheFormulaInFloat32OnEveryTarget) {
  std::vector<float> inputs{0, -0.0F, 1, -1, 1e-20F, 20, -20, 1e30F, -1e30F};
  for (int i = -1200; i <= 1200; ++i) inputs.push_back(static_cast<float>(i) / 97);
  on_every_target([&] {
    auto values = inputs;
    gelu(values);
    expect_near(inputs, values, exact_gelu);
    values = inputs;
    gelu_quick(values);
    expect_near(inputs, values, exact_gelu_quick);
  });
}

}  // namespace
}  // namespace fakequant
