#include "engine/matrix_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "engine/normal_values.h"
#include "format/on_every_target.h"

namespace fakequant {
namespace {

// The definition in matrix_product.h.
float sum_of(const float* input, std::int64_t step, const float* factor, std::int64_t length) {
  float sum = 0;
  for (std::int64_t begin = 0; begin < length; begin += 256) {
    float part = 0;
    for (auto k = begin; k < std::min(length, begin + 256); ++k) part = std::fma(input[k * step], factor[k], part);
    sum = begin == 0 ? part : sum + part;
  }
  return sum;
}

struct Shape {
  std::int64_t inputs, length, outputs;
};

class Matrices {
 public:
  explicit Matrices(const Shape& shape, std::int64_t step = 1)
      : shape_(shape),
        step_(step),
        inputs_(normal_values(shape.inputs * shape.length * step, 1)),
        factor_(normal_values(shape.outputs * shape.length, 2)) {}

  // The results, with rows of the factor read in place or through the scratch.
  std::vector<float> multiplied(int threads, bool is_copied = false) const {
    std::vector<float> results(static_cast<std::size_t>(shape_.inputs * shape_.outputs), std::nanf(""));
    MatrixProduct product;
    product.input_step = step_;
    for (std::int64_t i = 0; i < shape_.inputs; ++i) {
      product.inputs.push_back(inputs_.data() + i * shape_.length * step_);
      product.results.push_back(results.data() + i * shape_.outputs);
    }
    product.factor = [&](std::int64_t first, std::int64_t count, float* scratch) -> FactorRows {
      const float* rows = factor_.data() + first * shape_.length;
      if (!is_copied) return {rows, shape_.length};
      std::copy_n(rows, count * shape_.length, scratch);
      return {scratch, shape_.length};
    };
    ProductMemory memory;
    multiply({product}, shape_.length, shape_.outputs, threads, memory);
    return results;
  }

  float expected(std::int64_t input, std::int64_t output) const {
    return sum_of(inputs_.data() + input * shape_.length * step_, step_, factor_.data() + output * shape_.length,
                  shape_.length);
  }

 private:
  Shape shape_;
  std::int64_t step_;
  std::vector<float> inputs_, factor_;
};

// Fused multiply-adds are part of the definition; SSE has none.
template <typename Check>
void on_every_target_with_fma(const Check& check) {
  on_every_target([&] {
    const auto target = hwy::SupportedTargets() & -hwy::SupportedTargets();
    if (target < HWY_SSE4) check();
  });
}

TEST(MatrixProduct, IsTheSumInItsFixedOrderOnEveryTarget) {
  for (const Shape& shape :
       {Shape{1, 64, 32}, Shape{2, 256, 130}, Shape{13, 300, 31}, Shape{6, 1, 1}, Shape{25, 1025, 77}}) {
    const Matrices matrices(shape);
    on_every_target_with_fma([&] {
      for (const bool is_copied : {false, true}) {
        const auto results = matrices.multiplied(1, is_copied);
        for (std::int64_t i = 0; i < shape.inputs; ++i) {
          for (std::int64_t o = 0; o < shape.outputs; ++o) {
            ASSERT_EQ(results[static_cast<std::size_t>(i * shape.outputs + o)], matrices.expected(i, o))
                << i << " " << o;
          }
        }
      }
    });
  }
}

TEST(MatrixProduct, IsNearTheExactSumOnEveryTarget) {
  const Shape shape{5, 4096, 50};
  const Matrices matrices(shape);
  on_every_target([&] {
    const auto results = matrices.multiplied(2);
    for (std::int64_t i = 0; i < shape.inputs; ++i) {
      for (std::int64_t o = 0; o < shape.outputs; ++o) {
        EXPECT_NEAR(results[static_cast<std::size_t>(i * shape.outputs + o)], matrices.expected(i, o), 1e-3);
      }
    }
  });
}

TEST(MatrixProduct, TakesInputsWhoseValuesLieApart) {
  const Matrices matrices({7, 100, 40}, 3);
  const auto results = matrices.multiplied(1);
  EXPECT_NEAR(results[45], matrices.expected(1, 5), 1e-4);
}

TEST(MatrixProduct, IsTheSameForAnyThreadsAndAnyInputsTogether) {
  const Matrices all({29, 777, 333});
  const auto expected = all.multiplied(1);
  for (const int threads : {2, 3, 16}) EXPECT_EQ(all.multiplied(threads), expected) << threads;
  const Matrices one({1, 777, 333});  // the same first input
  const auto first = one.multiplied(2);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), expected.begin()));
}

TEST(MatrixProduct, OfSeveralIsThatOfEach) {
  const std::int64_t length = 48, outputs = 37;
  const auto inputs = normal_values(20 * length, 3);
  const auto factors = normal_values(3 * outputs * length, 4);
  const auto product = [&](std::int64_t first, std::int64_t count, std::int64_t factor, std::vector<float>& results) {
    MatrixProduct product;
    for (auto i = first; i < first + count; ++i) {
      product.inputs.push_back(inputs.data() + i * length);
      product.results.push_back(results.data() + i * outputs);
    }
    product.factor = [&factors, factor, length, outputs](std::int64_t row, std::int64_t, float*) -> FactorRows {
      return {factors.data() + (factor * outputs + row) * length, length};
    };
    return product;
  };
  std::vector<float> together(20 * outputs), apart(20 * outputs);
  ProductMemory memory;
  multiply({product(0, 7, 2, together), product(7, 0, 1, together), product(7, 13, 0, together)}, length, outputs, 2,
           memory);
  multiply({product(0, 7, 2, apart)}, length, outputs, 1, memory);
  multiply({product(7, 13, 0, apart)}, length, outputs, 1, memory);
  EXPECT_EQ(together, apart);
}

TEST(MatrixProduct, RethrowsWhatTheReaderThrows) {
  std::vector<float> values(64), results(16);
  MatrixProduct product{{values.data()}, 1, {results.data()}, [](std::int64_t, std::int64_t, float*) -> FactorRows {
                          throw std::runtime_error("no rows");
                        }};
  ProductMemory memory;
  EXPECT_THROW(multiply({product}, 64, 16, 2, memory), std::runtime_error);
}

}  // namespace
}  // namespace fakequant
