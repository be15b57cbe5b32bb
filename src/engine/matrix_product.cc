#include "engine/matrix_product.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "buffer.h"
#include "parallel.h"

#ifndef FAKEQUANT_MATRIX_PRODUCT_ONCE
#define FAKEQUANT_MATRIX_PRODUCT_ONCE
namespace fakequant {
namespace {

// A tile of results: so many inputs, and so many outputs of each.
struct TileSize {
  std::int64_t rows, columns;
};

// Rows of the second factor, as they are read and as they are packed.
struct ThreadMemory {
  Buffer<float> rows, packed;
};

// Makes room for so many values; what is in it is lost. A cache that grows has it grow seldom: what is not written to
// takes no memory.
void reserve(Buffer<float>& memory, std::int64_t values) {
  if (memory.size() >= static_cast<std::size_t>(values)) return;
  const auto size = std::max(static_cast<std::size_t>(values), 2 * memory.size());
  memory = Buffer<float>();  // first: the two are never held together
  memory.resize(size);
}

}  // namespace
}  // namespace fakequant
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/matrix_product.cc"
#include <hwy/foreach_target.h>
//
#include "engine/pack_factor-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fakequant {
namespace HWY_NAMESPACE {
namespace {

using F = hn::CappedTag<float, 16>;

constexpr std::int64_t kPart = kProductPart;
constexpr std::int64_t kVectors = 2;
constexpr std::int64_t kLanes = hn::MaxLanes(F());
constexpr std::int64_t kColumns = kVectors * kLanes;   // results of a tile for one input
constexpr std::int64_t kRows = kLanes == 16 ? 12 : 6;  // inputs of a tile: their sums fill the registers

// Adds to a tile of results, or begins it, the sums over a part: `inputs` is packed [k][kRows], `factor` [k][kColumns].
template <std::int64_t kInputs>
HWY_NOINLINE void add_part(const float* HWY_RESTRICT inputs, const float* HWY_RESTRICT factor, std::int64_t length,
                           bool is_first, float* const* results) {
  const F f;
  hn::Vec<F> sums[kInputs][kVectors];
#pragma GCC unroll 12
  for (std::int64_t i = 0; i < kInputs; ++i) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(f);
  }
  for (std::int64_t k = 0; k < length; ++k) {
    const auto left = hn::LoadU(f, factor + k * kColumns), right = hn::LoadU(f, factor + k * kColumns + kLanes);
#pragma GCC unroll 12
    for (std::int64_t i = 0; i < kInputs; ++i) {
      const auto input = hn::Set(f, inputs[k * kRows + i]);
      sums[i][0] = hn::MulAdd(input, left, sums[i][0]);
      sums[i][1] = hn::MulAdd(input, right, sums[i][1]);
    }
  }
#pragma GCC unroll 12
  for (std::int64_t i = 0; i < kInputs; ++i) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kVectors; ++v) {
      auto* result = results[i] + v * kLanes;
      hn::StoreU(is_first ? sums[i][v] : hn::Add(hn::LoadU(f, result), sums[i][v]), f, result);
    }
  }
}

// Packs kRows inputs from `first` on as [k][kRows]; inputs that are not there are zero.
void pack_inputs(const MatrixProduct& product, std::int64_t first, std::int64_t length, float* packed) {
  const auto count = std::min<std::int64_t>(kRows, static_cast<std::int64_t>(product.inputs.size()) - first);
  const auto input = [&](std::int64_t i) { return product.inputs[static_cast<std::size_t>(first + i)]; };
  std::int64_t i = 0;
  for (; product.input_step == 1 && i + 4 <= count; i += 4) {
    pack_four<kRows>({input(i), input(i + 1), input(i + 2), input(i + 3)}, length, packed + i);
  }
  for (; i < kRows; ++i) {
    const float* values = i < count ? input(i) : nullptr;
    for (std::int64_t k = 0; k < length; ++k) {
      packed[k * kRows + i] = values == nullptr ? 0.0F : values[k * product.input_step];
    }
  }
}

// Where the sums of a tile go: to the results themselves, or, where the tile is larger than what is left of them, to
// memory beside them.
class Tile {
 public:
  Tile(const MatrixProduct& product, std::int64_t first, std::int64_t column, std::int64_t outputs)
      : inputs_(std::min<std::int64_t>(kRows, static_cast<std::int64_t>(product.results.size()) - first)),
        columns_(std::min(kColumns, outputs - column)) {
    for (std::int64_t i = 0; i < inputs_; ++i) {
      to_[static_cast<std::size_t>(i)] = product.results[static_cast<std::size_t>(first + i)] + column;
      sums_[static_cast<std::size_t>(i)] =
          columns_ == kColumns ? to_[static_cast<std::size_t>(i)] : beside_.data() + i * kColumns;
    }
  }

  void add(const float* inputs, const float* factor, std::int64_t length, bool is_first) {
    if (columns_ < kColumns && !is_first) {
      for (std::int64_t i = 0; i < inputs_; ++i) std::copy_n(to(i), columns_, sums(i));
    }
    if (inputs_ == kRows) {
      add_part<kRows>(inputs, factor, length, is_first, sums_.data());
    } else {
      std::int64_t i = 0;
      for (; i + 4 <= inputs_; i += 4) add_part<4>(inputs + i, factor, length, is_first, sums_.data() + i);
      for (; i < inputs_; ++i) add_part<1>(inputs + i, factor, length, is_first, sums_.data() + i);
    }
    if (columns_ < kColumns) {
      for (std::int64_t i = 0; i < inputs_; ++i) std::copy_n(sums(i), columns_, to(i));
    }
  }

 private:
  float* to(std::int64_t i) { return to_[static_cast<std::size_t>(i)]; }
  float* sums(std::int64_t i) { return sums_[static_cast<std::size_t>(i)]; }

  std::int64_t inputs_, columns_;
  std::array<float*, kRows> to_{}, sums_{};
  std::array<float, kRows * kColumns> beside_;  // NOLINT(*-member-init): written before it is read
};

// The results of some outputs, for all inputs.
void multiply_outputs(const MatrixProduct& product, const float* inputs, std::int64_t length, std::int64_t first,
                      std::int64_t count, ThreadMemory& scratch) {
  reserve(scratch.rows, count * length);
  const auto rows = product.factor(first, count, scratch.rows.data());
  const auto panels = (count + kColumns - 1) / kColumns;
  reserve(scratch.packed, panels * kColumns * kPart);
  const auto input_count = static_cast<std::int64_t>(product.inputs.size());
  for (std::int64_t part = 0; part == 0 || part < length; part += kPart) {
    const auto end = std::min(length, part + kPart);
    for (std::int64_t p = 0; p < panels; ++p) {
      const auto column = p * kColumns;
      pack_factor<kColumns>({rows.values + column * rows.stride + part, rows.stride},
                            std::min(kColumns, count - column), end - part, scratch.packed.data() + column * kPart);
    }
    for (std::int64_t i = 0; i < input_count; i += kRows) {
      for (std::int64_t p = 0; p < panels; ++p) {
        Tile tile(product, i, first + p * kColumns, first + count);
        tile.add(inputs + i * length + part * kRows, scratch.packed.data() + p * kColumns * kPart, end - part,
                 part == 0);
      }
    }
  }
}

TileSize tile_size() { return {kRows, kColumns}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fakequant
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fakequant {
namespace {

HWY_EXPORT(tile_size);
HWY_EXPORT(pack_inputs);
HWY_EXPORT(multiply_outputs);

// How many panels of inputs the products before each have, and all have.
std::vector<std::int64_t> count_panels(const std::vector<MatrixProduct>& products, std::int64_t rows) {
  std::vector<std::int64_t> before{0};
  for (const auto& product : products) {
    before.push_back(before.back() + (static_cast<std::int64_t>(product.inputs.size()) + rows - 1) / rows);
  }
  return before;
}

}  // namespace

void multiply(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs, int threads,
              ProductMemory& memory) {
  const auto tile = HWY_DYNAMIC_DISPATCH(tile_size)();
  const auto before = count_panels(products, tile.rows);
  const auto panel_size = tile.rows * length;
  reserve(memory.inputs, before.back() * panel_size);
  parallel_for(before.back(), threads, [&](std::int64_t panel) {
    const auto p = static_cast<std::size_t>(std::upper_bound(before.begin(), before.end(), panel) - before.begin() - 1);
    HWY_DYNAMIC_DISPATCH(pack_inputs)
    (products[p], (panel - before[p]) * tile.rows, length, memory.inputs.data() + panel * panel_size);
  });
  // A task has some outputs of a product; each thread gets several where there are enough.
  constexpr std::int64_t kTasksOfThread = 4;
  constexpr std::int64_t kMaxOutputs = 128;  // what is packed of the second factor fits the second cache
  const auto count = static_cast<std::int64_t>(products.size());
  const auto share = (outputs * count / (threads * kTasksOfThread) + tile.columns - 1) / tile.columns * tile.columns;
  const auto of_task = std::clamp(share, tile.columns, kMaxOutputs);
  const auto tasks = (outputs + of_task - 1) / of_task;
  parallel_for(tasks * count, threads, [&](std::int64_t task) {
    static thread_local ThreadMemory scratch;
    const auto p = static_cast<std::size_t>(task / tasks);
    const auto first = task % tasks * of_task;
    HWY_DYNAMIC_DISPATCH(multiply_outputs)
    (products[p], memory.inputs.data() + before[p] * panel_size, length, first, std::min(of_task, outputs - first),
     scratch);
  });
}

}  // namespace fakequant
#endif
