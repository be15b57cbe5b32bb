#include "engine/integer_product.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "engine/integer_codes.h"
#include "error.h"
#include "parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/integer_product.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Integers = hn::ScalableTag<std::int32_t>;
using IntegerVector = hn::Vec<Integers>;
constexpr std::int64_t kIntegerLanes = hn::MaxLanes(Integers());

// Sums of fewer than 32 bits: products are of less than 31 bits, so that no addition passes 32.
class ClampedSum {
 public:
  explicit ClampedSum(int bits)
      : low_(hn::Set(Integers(), -(1 << (bits - 1)))), high_(hn::Set(Integers(), (1 << (bits - 1)) - 1)) {}
  IntegerVector operator()(IntegerVector sum, IntegerVector product) const {
    return hn::Min(hn::Max(hn::Add(sum, product), low_), high_);
  }

 private:
  IntegerVector low_, high_;
};

class WrappedSum {
 public:
  explicit WrappedSum(int bits) : sign_(hn::Set(Integers(), 1 << (bits - 1))), mask_(hn::Set(Integers(), mask(bits))) {}
  IntegerVector operator()(IntegerVector sum, IntegerVector product) const {
    return hn::Sub(hn::Xor(hn::And(hn::Add(sum, product), mask_), sign_), sign_);
  }

 private:
  static std::int32_t mask(int bits) { return static_cast<std::int32_t>((std::int64_t{1} << bits) - 1); }
  IntegerVector sign_, mask_;
};

class ClampedSumOf32Bits {
 public:
  IntegerVector operator()(IntegerVector a, IntegerVector b) const {
    const auto sum = hn::Add(a, b);
    const auto has_overflowed = hn::BroadcastSignBit(hn::AndNot(hn::Xor(a, b), hn::Xor(a, sum)));
    const auto limit = hn::Xor(hn::BroadcastSignBit(a), hn::Set(Integers(), 0x7FFFFFFF));
    return hn::Or(hn::And(has_overflowed, limit), hn::AndNot(has_overflowed, sum));
  }
};

class WrappedSumOf32Bits {
 public:
  IntegerVector operator()(IntegerVector sum, IntegerVector product) const { return hn::Add(sum, product); }
};

// The results of kIntegerLanes outputs for one input. The factor's codes are packed [k][kIntegerLanes], its steps
// [part][kIntegerLanes].
template <typename AddTo>
void sum_codes(const std::int32_t* input, const float* input_steps, const std::int32_t* factor,
               const float* factor_steps, std::int64_t length, std::int64_t part, AddTo add_to, float* results) {
  const hn::ScalableTag<float> f;
  const Integers d;
  auto total = hn::Zero(f);
  for (std::int64_t begin = 0, index = 0; begin < length; begin += part, ++index) {
    auto sum = hn::Zero(d);
    for (auto k = begin; k < std::min(begin + part, length); ++k) {
      sum = add_to(sum, hn::Mul(hn::Set(d, input[k]), hn::LoadU(d, factor + k * kIntegerLanes)));
    }
    const auto steps = hn::Mul(hn::Set(f, input_steps[index]), hn::LoadU(f, factor_steps + index * kIntegerLanes));
    total = hn::Add(total, hn::Mul(hn::ConvertTo(f, sum), steps));
  }
  hn::StoreU(total, f, results);
}

void sum_codes_in(const IntegerAccumulator& accumulator, const std::int32_t* input, const float* input_steps,
                  const std::int32_t* factor, const float* factor_steps, std::int64_t length, std::int64_t part,
                  float* results) {
  const auto with = [&](const auto& add_to) {
    sum_codes(input, input_steps, factor, factor_steps, length, part, add_to, results);
  };
  if (accumulator.bits == 32) return accumulator.wraps ? with(WrappedSumOf32Bits()) : with(ClampedSumOf32Bits());
  return accumulator.wraps ? with(WrappedSum(accumulator.bits)) : with(ClampedSum(accumulator.bits));
}

std::int64_t outputs_together() { return kIntegerLanes; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {

HWY_EXPORT(outputs_together);
HWY_EXPORT(sum_codes_in);

// Rows as codes, each part of a row with a step.
struct CodedRows {
  std::vector<std::int32_t> codes;
  std::vector<float> steps;
};

// Codes of a row that begins at `values`. `whose`: for the error.
void code_row(const float* values, std::int64_t step, std::int64_t length, std::int64_t part, const char* whose,
              std::int32_t* codes, float* steps) {
  static thread_local std::vector<float> row;
  row.resize(static_cast<std::size_t>(length));
  for (std::int64_t k = 0; k < length; ++k) row[static_cast<std::size_t>(k)] = values[k * step];
  for (std::int64_t begin = 0, index = 0; begin < length; begin += part, ++index) {
    const auto count = static_cast<std::size_t>(std::min(part, length - begin));
    const auto found =
        find_codes(std::span<const float>(row).subspan(static_cast<std::size_t>(begin), count), {codes + begin, count});
    if (!found) {
      throw usage_error(fmt::format(
          "an integer accumulator adds products of integers, and {} of the {} are no multiples of one step within {} "
          "values of a row: round weights and inputs to integers, with scales for rows and tokens or for as many "
          "values "
          "as every= has",
          count == 1 ? "one" : "some", whose, count));
    }
    steps[index] = *found;
  }
}

}  // namespace

void multiply_integers(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs,
                       const IntegerAccumulator& accumulator, int threads) {
  const auto part = std::max<std::int64_t>(1, accumulator.every > 0 ? accumulator.every : length);
  const auto parts = (length + part - 1) / part;
  const auto lanes = HWY_DYNAMIC_DISPATCH(outputs_together)();
  const auto tasks = (outputs + lanes - 1) / lanes;
  for (const auto& product : products) {
    const auto inputs = static_cast<std::int64_t>(product.inputs.size());
    CodedRows coded{std::vector<std::int32_t>(static_cast<std::size_t>(inputs * length)),
                    std::vector<float>(static_cast<std::size_t>(inputs * parts))};
    parallel_for(inputs, threads, [&](std::int64_t i) {
      code_row(product.inputs[static_cast<std::size_t>(i)], product.input_step, length, part, "inputs",
               coded.codes.data() + i * length, coded.steps.data() + i * parts);
    });
    parallel_for(tasks, threads, [&](std::int64_t task) {
      const auto first = task * lanes, count = std::min(lanes, outputs - first);
      std::vector<float> rows(static_cast<std::size_t>(count * length)), row_steps(static_cast<std::size_t>(parts));
      std::vector<std::int32_t> row_codes(static_cast<std::size_t>(length));
      CodedRows packed{std::vector<std::int32_t>(static_cast<std::size_t>(lanes * length)),
                       std::vector<float>(static_cast<std::size_t>(lanes * parts))};
      const auto factor = product.factor(first, count, rows.data());
      for (std::int64_t r = 0; r < count; ++r) {
        code_row(factor.values + r * factor.stride, 1, length, part, "weights", row_codes.data(), row_steps.data());
        for (std::int64_t k = 0; k < length; ++k) {
          packed.codes[static_cast<std::size_t>(k * lanes + r)] = row_codes[static_cast<std::size_t>(k)];
        }
        for (std::int64_t p = 0; p < parts; ++p) {
          packed.steps[static_cast<std::size_t>(p * lanes + r)] = row_steps[static_cast<std::size_t>(p)];
        }
      }
      std::vector<float> results(static_cast<std::size_t>(lanes));
      for (std::int64_t i = 0; i < inputs; ++i) {
        HWY_DYNAMIC_DISPATCH(sum_codes_in)
        (accumulator, coded.codes.data() + i * length, coded.steps.data() + i * parts, packed.codes.data(),
         packed.steps.data(), length, part, results.data());
        std::copy_n(results.begin(), count, product.results[static_cast<std::size_t>(i)] + first);
      }
    });
  }
}

}  // namespace fakequant
#endif
