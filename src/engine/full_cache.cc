#include "engine/full_cache.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>

#include "engine/cache_write.h"
#include "engine/tensor_rows.h"
#include "error.h"

namespace fakequant {
namespace {

// The view that a product's factor shows: where attention copies it first, the source of the copy.
const ggml_tensor& shown_by(const ggml_tensor& factor) {
  return factor.op == GGML_OP_CONT && factor.view_src == nullptr ? *factor.src[0] : factor;
}

[[noreturn]] void refuse_view(const ggml_tensor& factor) {
  throw Error(
      fmt::format("{} is no view of the cache's cells: this version of llama.cpp is not understood", factor.name));
}

}  // namespace

const std::byte* FullCache::rounded() const { return static_cast<const std::byte*>(cache_->data) + begin_; }

ggml_tensor FullCache::cells_in(const std::byte* values) const {
  auto matrix = *cache_;
  const auto size = ggml_type_size(cache_->type);
  matrix.ne[0] = width_;
  matrix.ne[1] = static_cast<std::int64_t>(token_of_cell_.size());
  matrix.ne[2] = matrix.ne[3] = 1;
  matrix.nb[0] = is_transposed_ ? token_of_cell_.size() * size : size;
  matrix.nb[1] = is_transposed_ ? size : cache_->nb[1];
  matrix.data = const_cast<std::byte*>(values);
  return matrix;
}

std::int64_t FullCache::cell_at(std::size_t place) const {
  const auto cells = token_of_cell_.size();
  return static_cast<std::int64_t>(is_transposed_ ? place / ggml_type_size(cache_->type) % cells
                                                  : place / cache_->nb[1]);
}

void FullCache::open(const ggml_tensor& node, std::size_t place, std::int64_t width) {
  cache_ = &whole_of(node);
  if (ggml_blck_size(cache_->type) != 1) {
    throw usage_error(fmt::format("keep= and per=channel need a cache in f32, f16 or bf16, and it is held in {}",
                                  ggml_type_name(cache_->type)));
  }
  is_transposed_ = node.src[0]->ne[0] == 1;
  width_ = width;
  begin_ = place / cache_->nb[2] * cache_->nb[2];
  values_.assign(cache_->nb[2], std::byte{0});
  token_of_cell_.assign(static_cast<std::size_t>(cache_->ne[1]), -1);
}

void FullCache::forget_from(std::int64_t position) {
  for (auto p = static_cast<std::size_t>(position); p < cells_.size(); ++p) {
    if (cells_[p] >= 0) token_of_cell_[static_cast<std::size_t>(cells_[p])] = -1;
  }
  cells_.resize(static_cast<std::size_t>(position), -1);
}

void FullCache::keep(const ggml_tensor& node, const TokenBatch& batch) {
  const auto tokens = static_cast<std::int64_t>(batch.positions.size());
  const auto rows = node.src[0]->ne[1] / tokens, length = node.src[0]->ne[0];  // of a token
  const auto first = position_in_text(batch.positions.front());
  if (cache_ == nullptr) open(node, place_of_row(node, 0), rows * length);
  if (cache_ != &whole_of(node) || rows * length != width_) refuse_view(node);
  forget_from(first);
  const auto bytes = ggml_row_size(cache_->type, length);
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto place = place_of_row(node, t * rows + r) - begin_;
      if (place + bytes > values_.size()) refuse_view(node);
      std::memcpy(values_.data() + place, rounded() + place, bytes);
    }
    const auto cell = cell_at(place_of_row(node, t * rows) - begin_);
    token_of_cell_[static_cast<std::size_t>(cell)] = first + t;
    cells_.push_back(cell);
  }
}

std::int64_t FullCache::cell_of(std::int64_t position) const {
  const auto cell = cells_[static_cast<std::size_t>(position)];
  if (cell >= 0 && token_of_cell_[static_cast<std::size_t>(cell)] == position) return cell;
  throw usage_error(
      fmt::format("{} does not hold all {} tokens of a group: the window of attention is shorter, or the rule came "
                  "after the group's first token",
                  cache_->name, tokens_.group));
}

void FullCache::read(std::int64_t position, float* values) const {
  const auto matrix = cells_in(values_.data());
  copy_rows(row_reader(matrix, 0, 0), cell_of(position), 1, width_, values);
}

void FullCache::replace(std::int64_t position, std::span<const float> values) const {
  const auto matrix = cells_in(rounded());
  auto* row = static_cast<std::byte*>(matrix.data) + static_cast<std::size_t>(cell_of(position)) * matrix.nb[1];
  if (!is_transposed_) return store_row(*cache_, values, row);
  for (std::size_t i = 0; i < values.size(); ++i) store_row(*cache_, values.subspan(i, 1), row + i * matrix.nb[0]);
}

std::size_t FullCache::cell_dimension(const ggml_tensor& factor) const {
  const auto& shown = shown_by(factor);
  const auto stride = cells_in(nullptr).nb[1];
  const bool is_whole = std::equal(shown.ne, shown.ne + GGML_MAX_DIMS, factor.ne);
  for (std::size_t d = 0; is_whole && d < 2; ++d) {
    if (shown.nb[d] == stride) return d;
  }
  refuse_view(factor);
}

FullReads FullCache::reads(const ggml_tensor& factor, const TokenBatch& queries) const {
  const auto dimension = cell_dimension(factor);
  const auto& shown = shown_by(factor);
  const auto place = static_cast<const std::byte*>(shown.data) - rounded();
  const auto first_cell = place < 0 ? -1 : cell_at(static_cast<std::size_t>(place));
  const auto cells = factor.ne[dimension];
  if (first_cell < 0 || first_cell + cells > static_cast<std::int64_t>(token_of_cell_.size())) refuse_view(factor);
  const std::span tokens(token_of_cell_.data() + first_cell, static_cast<std::size_t>(cells));
  const auto is_full = [&](std::int64_t cell, std::int64_t query) {
    const auto token = tokens[static_cast<std::size_t>(cell)];
    return token >= 0 && token <= query && reads_in_full(tokens_, query, token);
  };
  // The first query that reads a token reads it in full, if any does.
  const auto first_query = position_in_text(queries.positions.front());
  const auto last_query = position_in_text(queries.positions.back());
  const auto is_full_for_one = [&](std::int64_t cell) {
    const auto first_reader = std::max(first_query, tokens[static_cast<std::size_t>(cell)]);
    return first_reader <= last_query && is_full(cell, first_reader);
  };
  FullReads reads;
  auto end = cells;
  while (reads.first < end && !is_full_for_one(reads.first)) ++reads.first;
  while (end > reads.first && !is_full_for_one(end - 1)) --end;
  reads.count = end - reads.first;
  reads.is_full.reserve(queries.positions.size() * static_cast<std::size_t>(reads.count));
  for (const auto query : queries.positions) {
    for (auto cell = reads.first; cell < end; ++cell)
      reads.is_full.push_back(is_full(cell, position_in_text(query)) ? 1 : 0);
  }
  return reads;
}

ggml_tensor FullCache::full_view(const ggml_tensor& factor, std::int64_t first, std::int64_t count) const {
  const auto dimension = cell_dimension(factor);
  auto view = shown_by(factor);
  const auto place = static_cast<const std::byte*>(view.data) - rounded();
  view.data = const_cast<std::byte*>(values_.data()) + place + static_cast<std::size_t>(first) * view.nb[dimension];
  view.ne[dimension] = count;
  return view;
}

std::size_t FullCache::fingerprint(std::int64_t position) const {
  if (cache_ == nullptr) return 0;
  const auto matrix = cells_in(rounded());
  const auto reader = row_reader(matrix, 0, 0);
  std::vector<float> values(static_cast<std::size_t>(width_));
  std::size_t all = 0;
  for (std::size_t p = 0; p < std::min(cells_.size(), static_cast<std::size_t>(position)); ++p) {
    if (cells_[p] < 0) continue;
    copy_rows(reader, cells_[p], 1, width_, values.data());
    const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    all = all * 31 + std::hash<std::string_view>()(bytes);
  }
  return all;
}

const FullCache* FullCaches::of_factor(const ggml_tensor& factor) const {
  if (caches_.empty()) return nullptr;
  const auto found = caches_.find(&whole_of(shown_by(factor)));
  return found == caches_.end() ? nullptr : found->second.get();
}

std::size_t FullCaches::fingerprint(std::int64_t position) const {
  std::size_t all = 0;
  for (const auto& [cache, full] : caches_) all = all * 31 + full->fingerprint(position);
  return all;
}

}  // namespace fakequant
