#include "engine/cached_product.h"

#include <fmt/format.h>
#include <llama.h>

#include <utility>

#include "buffer.h"
#include "error.h"

namespace fakequant {
namespace {

// Lets products write their results, so many of each row, to memory of their own.
Buffer<float> redirect_results(std::vector<MatrixProduct>& products, std::int64_t outputs) {
  const auto rows = products.size() * products.front().results.size();
  Buffer<float> memory(rows * static_cast<std::size_t>(outputs));
  auto* row = memory.data();
  for (auto& product : products) {
    for (auto& result : product.results) {
      result = row;
      row += outputs;
    }
  }
  return memory;
}

// Scores: cells are outputs.
void multiply_keys(const ggml_tensor& factor, const std::vector<MatrixProduct>& products, const FullCache& cache,
                   const FullReads& reads, const ProductsWith& products_with, const Multiply& multiply) {
  multiply(products, factor.ne[0], factor.ne[1]);
  const auto view = cache.full_view(factor, reads.first, reads.count);
  auto in_full = products_with(view);
  const auto scores = redirect_results(in_full, reads.count);
  multiply(in_full, factor.ne[0], reads.count);
  for (std::size_t p = 0; p < products.size(); ++p) {
    const auto* is_full = reads.is_full.data();
    for (std::size_t m = 0; m < products[p].results.size(); ++m, is_full += reads.count) {
      for (std::int64_t c = 0; c < reads.count; ++c) {
        if (is_full[c] != 0) products[p].results[m][reads.first + c] = in_full[p].results[m][c];
      }
    }
  }
}

// Calls visit(cell, probability) for each that the query reads in full, counted from reads.first on.
template <typename Visit>
void for_each_full(const MatrixProduct& product, std::size_t query, const FullReads& reads, const Visit& visit) {
  const auto* is_full = reads.is_full.data() + static_cast<std::int64_t>(query) * reads.count;
  auto* probabilities = const_cast<float*>(product.inputs[query]);
  for (std::int64_t c = 0; c < reads.count; ++c) {
    if (is_full[c] != 0) visit(c, probabilities[(reads.first + c) * product.input_step]);
  }
}

// The mean of the values: cells are summed over.
void multiply_values(const ggml_tensor& factor, const std::vector<MatrixProduct>& products, const FullCache& cache,
                     const FullReads& reads, const ProductsWith& products_with, const Multiply& multiply) {
  // The partial sums begin at the same cells whichever are read in full.
  const auto before = reads.first % kProductPart, length = before + reads.count;
  const auto view = cache.full_view(factor, reads.first - before, length);
  auto in_full = products_with(view);
  std::vector<float> moved(products.size() * products.front().inputs.size() * static_cast<std::size_t>(length));
  auto* row = moved.data();
  for (std::size_t p = 0; p < products.size(); ++p) {
    in_full[p].input_step = 1;
    for (std::size_t m = 0; m < products[p].inputs.size(); ++m, row += length) {
      in_full[p].inputs[m] = row;
      for_each_full(products[p], m, reads,
                    [&](std::int64_t c, float& probability) { row[before + c] = std::exchange(probability, 0.0F); });
    }
  }
  multiply(products, factor.ne[0], factor.ne[1]);
  const auto sums = redirect_results(in_full, factor.ne[1]);
  multiply(in_full, length, factor.ne[1]);
  for (std::size_t p = 0; p < products.size(); ++p) {
    for (std::size_t m = 0; m < products[p].inputs.size(); ++m) {
      for (std::int64_t i = 0; i < factor.ne[1]; ++i) products[p].results[m][i] += in_full[p].results[m][i];
      for_each_full(products[p], m, reads,
                    [&](std::int64_t c, float& probability) { probability = in_full[p].inputs[m][before + c]; });
    }
  }
}

}  // namespace

void multiply_cached(const ggml_tensor& factor, const FullCache& cache, const TokenBatch& queries,
                     const ProductsWith& products_with, const Multiply& multiply) {
  const auto reads = cache.reads(factor, queries);
  const auto products = products_with(factor);
  if (products.front().inputs.size() != queries.positions.size()) {
    throw Error(
        fmt::format("{} is read by other queries than those of the tokens evaluated: this version of llama.cpp is not "
                    "understood",
                    factor.name));
  }
  if (reads.count == 0) return multiply(products, factor.ne[0], factor.ne[1]);
  const auto multiply_reads = cache.cell_dimension(factor) == 1 ? multiply_keys : multiply_values;
  multiply_reads(factor, products, cache, reads, products_with, multiply);
}

}  // namespace fakequant
