#include "format/rotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "format/random_words.h"
#include "format/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "format/rotation.cc"
#include <hwy/foreach_target.h>
//
#include "format/round-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR || HWY_HAVE_SCALABLE

void rotate_block(float* block, std::size_t count, Turn turn, std::size_t column, const std::uint32_t* signs) {
  rotate_block_reference({block, count}, turn, column, signs);
}

#else

constexpr std::size_t kLanes = hn::MaxLanes(F());
constexpr std::size_t kLargestRadix = 8;  // vectors that are added and subtracted while they are in registers

// Lane i and lane i ^ distance change places.
template <std::size_t distance, typename V>
V swapped(V x) {
  static_assert(distance < kLanes);
  if constexpr (distance == 1) {
    return hn::Shuffle2301(x);
  } else if constexpr (distance == 2) {
    return hn::Shuffle1032(x);
  } else if constexpr (distance == 4) {
    return hn::SwapAdjacentBlocks(x);
  } else {
    static_assert(distance == 8);
    return hn::SwapAdjacentBlocks(hn::ReverseBlocks(F(), x));
  }
}

// The step of one distance within a vector: sums in the lanes without that bit, differences in those with it.
template <std::size_t distance>
Floats stepped(Floats x) {
  const U u;
  const auto has_bit = hn::Ne(hn::And(hn::Iota(u, 0), hn::Set(u, static_cast<std::uint32_t>(distance))), hn::Zero(u));
  const auto minus = hn::BitCast(F(), hn::IfThenElseZero(has_bit, hn::Set(u, 0x80000000u)));
  return hn::Add(swapped<distance>(x), hn::Xor(x, minus));
}

HWY_INLINE Floats stepped_within(Floats x) {
  x = stepped<2>(stepped<1>(x));
  if constexpr (kLanes > 4) x = stepped<4>(x);
  if constexpr (kLanes > 8) x = stepped<8>(x);
  return x;
}

HWY_INLINE void add_and_subtract(Floats& a, Floats& b) {
  const auto difference = hn::Sub(a, b);
  a = hn::Add(a, b);
  b = difference;
}

// The steps of distances `stride` to `stride` x `radix` / 2, a multiple of the vectors' length. Values go through
// before(x, index) first, and through after(x, index) last, which is returned. (Variables instead of an array, which
// the compiler would keep in memory.)
template <std::size_t radix, typename Before, typename After>
HWY_INLINE After step_across(float* block, std::size_t count, std::size_t stride, const Before before, After after) {
  const F f;
  for (std::size_t base = 0; base < count; base += radix * stride) {
    for (std::size_t first = base; first < base + stride; first += kLanes) {
      float* const at = block + first;
      auto x0 = before(hn::LoadU(f, at), first);
      if constexpr (radix == 1) {
        hn::StoreU(after(x0, first), f, at);
        continue;
      }
      auto x1 = before(hn::LoadU(f, at + stride), first + stride);
      add_and_subtract(x0, x1);
      if constexpr (radix > 2) {
        auto x2 = before(hn::LoadU(f, at + 2 * stride), first + 2 * stride),
             x3 = before(hn::LoadU(f, at + 3 * stride), first + 3 * stride);
        add_and_subtract(x2, x3);
        add_and_subtract(x0, x2);
        add_and_subtract(x1, x3);
        if constexpr (radix > 4) {
          auto x4 = before(hn::LoadU(f, at + 4 * stride), first + 4 * stride),
               x5 = before(hn::LoadU(f, at + 5 * stride), first + 5 * stride),
               x6 = before(hn::LoadU(f, at + 6 * stride), first + 6 * stride),
               x7 = before(hn::LoadU(f, at + 7 * stride), first + 7 * stride);
          add_and_subtract(x4, x5);
          add_and_subtract(x6, x7);
          add_and_subtract(x4, x6);
          add_and_subtract(x5, x7);
          add_and_subtract(x0, x4);
          add_and_subtract(x1, x5);
          add_and_subtract(x2, x6);
          add_and_subtract(x3, x7);
          hn::StoreU(after(x4, first + 4 * stride), f, at + 4 * stride);
          hn::StoreU(after(x5, first + 5 * stride), f, at + 5 * stride);
          hn::StoreU(after(x6, first + 6 * stride), f, at + 6 * stride);
          hn::StoreU(after(x7, first + 7 * stride), f, at + 7 * stride);
        }
        hn::StoreU(after(x2, first + 2 * stride), f, at + 2 * stride);
        hn::StoreU(after(x3, first + 3 * stride), f, at + 3 * stride);
      }
      hn::StoreU(after(x0, first), f, at);
      hn::StoreU(after(x1, first + stride), f, at + stride);
    }
  }
  return after;
}

template <typename Before, typename After>
HWY_INLINE After step_across(std::size_t radix, float* block, std::size_t count, std::size_t stride,
                             const Before& before, const After& after) {
  switch (radix) {
    case 1:
      return step_across<1>(block, count, stride, before, after);
    case 2:
      return step_across<2>(block, count, stride, before, after);
    case 4:
      return step_across<4>(block, count, stride, before, after);
    default:
      return step_across<kLargestRadix>(block, count, stride, before, after);
  }
}

// Flips the signs of the values in columns whose bit is set.
class Signs {
 public:
  Signs(const std::uint32_t* words, std::size_t column) : words_(words), column_(column), lane_(hn::Iota(U(), 0)) {}

  HWY_INLINE Floats operator()(Floats x, std::size_t index) const {
    const U u;
    const auto at = column_ + index;
    const auto left = hn::Sub(hn::Set(u, static_cast<std::uint32_t>(31 - at % 32)), lane_);
    const auto sign = hn::And(hn::Shl(hn::Set(u, words_[at / 32]), left), hn::Set(u, 0x80000000u));
    return hn::Xor(x, hn::BitCast(F(), sign));
  }

 private:
  const std::uint32_t* words_;
  std::size_t column_;
  Words lane_;
};

struct AsItIs {
  HWY_INLINE Floats operator()(Floats x, std::size_t) const { return x; }
};

// The steps within vectors, first of all.
template <typename First>
struct Within {
  First first;
  const float* block;

  HWY_INLINE Floats operator()(Floats x, std::size_t index) const {
    if (index % 16 == 0) prefetch_ahead(block + index, kPageAhead);  // once a cache line
    return stepped_within(first(x, index));
  }
};

// The division by the root, last of all.
template <typename Last>
struct Finish {
  Last last;
  Floats factor, zeros;  // NaN after the first value that is not finite

  HWY_INLINE Floats operator()(Floats x, std::size_t index) {
    x = hn::Mul(x, factor);
    zeros = hn::MulAdd(x, hn::Zero(F()), zeros);
    return last(x, index);
  }
};

// A block of at least as many values as a vector has.
template <typename First, typename Last>
void rotate_with(float* block, std::size_t count, const First& first, const Last& last) {
  const F f;
  const auto zero = hn::Zero(f);
  const Within<First> within{first, block};
  Finish<Last> finish{last, hn::Set(f, static_cast<float>(1 / std::sqrt(static_cast<double>(count)))), zero};
  const AsItIs as_is;
  auto radix = std::min(count / kLanes, kLargestRadix);
  if (radix * kLanes == count) {
    finish = step_across(radix, block, count, kLanes, within, finish);
  } else {
    step_across<kLargestRadix>(block, count, kLanes, within, as_is);
    for (auto stride = radix * kLanes; stride < count; stride *= radix) {
      radix = std::min(count / stride, kLargestRadix);
      if (radix * stride == count) {
        finish = step_across(radix, block, count, stride, as_is, finish);
      } else {
        step_across<kLargestRadix>(block, count, stride, as_is, as_is);
      }
    }
  }
  if (HWY_UNLIKELY(!hn::AllTrue(f, hn::Eq(finish.zeros, zero)))) {
    std::fill_n(block, count, std::numeric_limits<float>::quiet_NaN());
  }
}

void rotate_block(float* block, std::size_t count, Turn turn, std::size_t column, const std::uint32_t* signs) {
  if (count < kLanes) return rotate_block_reference({block, count}, turn, column, signs);
  if (signs == nullptr) return rotate_with(block, count, AsItIs(), AsItIs());
  if (turn == Turn::forward) return rotate_with(block, count, Signs(signs, column), AsItIs());
  rotate_with(block, count, AsItIs(), Signs(signs, column));
}

#endif

void rotate_row(float* row, std::size_t columns, std::size_t block, Turn turn, const std::uint32_t* signs) {
  for (std::size_t column = 0; column < columns; column += block) {
    rotate_block(row + column, block, turn, column, signs);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {
HWY_EXPORT(rotate_row);

std::int64_t largest_power_of_two_in(std::int64_t row) { return row & -row; }

}  // namespace

std::int64_t rotated_block(const Rotation& rotation, std::int64_t row) {
  return rotation.block == 0 ? largest_power_of_two_in(row) : rotation.block;
}

std::string rotation_misfit(const Rotation& rotation, std::int64_t row) {
  if (rotation.kind == Rotation::none || row == 0) return "";
  const auto block = rotated_block(rotation, row);
  if (row % block != 0) {
    return fmt::format("rows of {} values cannot be rotated in blocks of {}, which does not divide them", row, block);
  }
  return block > 1 ? "" : fmt::format("rows of {} values cannot be rotated: no power of two divides them", row);
}

void fill_signs(const Rotation& rotation, std::span<std::uint32_t> words) {
  fill_random_words({random_key(rotation.seed, "rotate"), 0}, 0, words);
}

void rotate_block_reference(std::span<float> block, Turn turn, std::size_t column, const std::uint32_t* signs) {
  const auto flip = [&] {
    for (std::size_t i = 0; i < block.size(); ++i) {
      const auto at = column + i;
      if ((signs[at / 32] >> (at % 32) & 1u) != 0) block[i] = -block[i];
    }
  };
  if (signs != nullptr && turn == Turn::forward) flip();
  for (std::size_t h = 1; h < block.size(); h *= 2) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      if ((i & h) != 0) continue;
      const float a = block[i], b = block[i + h];
      block[i] = a + b;
      block[i + h] = a - b;
    }
  }
  const auto factor = static_cast<float>(1 / std::sqrt(static_cast<double>(block.size())));
  for (auto& x : block) x *= factor;
  if (!std::all_of(block.begin(), block.end(), [](float x) { return std::isfinite(x); })) {
    return std::fill(block.begin(), block.end(), std::numeric_limits<float>::quiet_NaN());
  }
  if (signs != nullptr && turn == Turn::back) flip();
}

void rotate_rows(const Rotation& rotation, Turn turn, std::span<float> values, std::int64_t row) {
  if (values.empty()) return;
  const auto columns = static_cast<std::size_t>(row);
  const auto block = static_cast<std::size_t>(rotated_block(rotation, row));
  std::vector<std::uint32_t> signs(rotation.kind == Rotation::random ? (columns + 31) / 32 : 0);
  fill_signs(rotation, signs);
  for (std::size_t at = 0; at < values.size(); at += columns) {
    HWY_DYNAMIC_DISPATCH(rotate_row)(values.data() + at, columns, block, turn, signs.empty() ? nullptr : signs.data());
  }
}

}  // namespace fakequant
#endif
