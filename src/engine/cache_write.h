// What a node writes into attention's cache of keys and values, and into the state of a recurrent layer.
//
// llama.cpp keeps the keys and values of a layer in two tensors, cache_k_lN and cache_v_lN, which outlive the graph. A
// SET_ROWS in the graph writes those of the new tokens into their rows. Its sources are the values and the rows'
// numbers; its result is a view of the whole cache. Where attention is not fused, the values' cache is transposed: a
// row is then one number, and so many rows belong to a token. Here all of that looks like any other activation: heads
// of each token, contiguous.
//
// The state of a recurrent layer lies in cache_s_lN. A CPY writes it there once an evaluation, after the last token;
// the next evaluation reads it. It is F32, and belongs to no token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/token_rows.h"

struct ggml_tensor;

namespace fakequant {

struct CacheWrite {
  enum Part { keys, values, state } part = keys;
  int layer = 0;
  NodeShape shape{};  // of the values: a head, heads, tokens; of a state as the operation that reads it has it
};

// None for a node that writes into neither. The functions below are for keys and values: a state is the node's result.
std::optional<CacheWrite> cache_write_of(const ggml_tensor& node);

// The tensor that a view of it shows a part of: of a node that writes into a cache, the whole cache.
const ggml_tensor& whole_of(const ggml_tensor& view);

// Where the node writes a row of its source: so many bytes after the cache's beginning. Throws an Error for a row that
// the cache has not.
std::size_t place_of_row(const ggml_tensor& node, std::int64_t row);

// Stores values in the cache's type. Throws a usage error where that is a quantized one.
void store_row(const ggml_tensor& cache, std::span<const float> values, std::byte* row);

// The values that the node writes, in float32 as they were computed, in the order of the shape. Throws an Error where
// the host cannot reach them.
void read_cache_write(const ggml_tensor& node, std::vector<float>& values);

// Writes others in their place, once the node has been computed: what the cache holds of its tokens is these values.
// Throws an Error where the cache is of a quantized type, or the host cannot reach it.
void replace_cache_write(const ggml_tensor& node, std::span<const float> values);

}  // namespace fakequant
