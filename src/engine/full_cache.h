// Attention's cache in full, beside the one that is rounded: for rules by which it depends on the query how a token is
// read (keep=recent:N, per=channel).
//
// The cache of a layer can hold a token once, and rules as above have one query read it in full and a later one read it
// rounded. So what was written is kept here as it was, in the cache's own type and layout, and each product with the
// cache takes its tokens from the one or the other (cached_product.h). A text that is evaluated at once then gives what
// its tokens give one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/token_rows.h"
#include "recipe/cache_tokens.h"

struct ggml_tensor;

namespace fakequant {

// Which cells of a cache each query of a batch reads in full: those of [first, first + count), where the row of the
// query says so, and no others.
struct FullReads {
  std::int64_t first = 0, count = 0;
  std::vector<std::uint8_t> is_full;  // [query][cell - first]
};

// The keys, or the values, of one layer and one sequence.
class FullCache {
 public:
  explicit FullCache(const CacheTokens& tokens) : tokens_(tokens) {}

  const CacheTokens& tokens() const { return tokens_; }

  // Keeps what a node has written into the cache, before it is rounded. Tokens that were kept before and do not come
  // before these are forgotten; tokens before these that were not kept are read as the cache has them.
  void keep(const ggml_tensor& node, const TokenBatch& batch);

  // The values of a token, all heads. Throws a usage error where it is not kept, or another token has taken its place,
  // as in the cache of an attention window.
  std::int64_t width() const { return width_; }
  void read(std::int64_t position, float* values) const;

  // Writes others into the cache itself. Throws likewise.
  void replace(std::int64_t position, std::span<const float> values) const;

  // Of a product whose factor is a view of the cache, or a copy of such a view: which dimension of the factor counts
  // cells, 0 or 1; which of these cells the queries read in full; and the same view of what is kept here, of so many
  // cells from `first` on. Throws an Error for a factor that is something else.
  std::size_t cell_dimension(const ggml_tensor& factor) const;
  FullReads reads(const ggml_tensor& factor, const TokenBatch& queries) const;
  ggml_tensor full_view(const ggml_tensor& factor, std::int64_t first, std::int64_t count) const;

  // A number that differs where the tokens before this position lie elsewhere in the cache, or others lie there.
  std::size_t fingerprint(std::int64_t position) const;

 private:
  void open(const ggml_tensor& node, std::size_t place, std::int64_t width);
  void forget_from(std::int64_t position);
  std::int64_t cell_at(std::size_t place) const;  // of the cell that has a value so many bytes after the beginning
  std::int64_t cell_of(std::int64_t position) const;
  const std::byte* rounded() const;                     // the sequence's part of the cache itself
  ggml_tensor cells_in(const std::byte* values) const;  // a matrix: a row for each cell

  CacheTokens tokens_;
  const ggml_tensor* cache_ = nullptr;  // the tensor that holds all sequences; null until something is kept
  std::size_t begin_ = 0;               // of this sequence in it, in bytes
  bool is_transposed_ = false;          // cells lie next to each other, and the values of a cell apart
  std::int64_t width_ = 0;
  std::vector<std::byte> values_;            // as the cache has those of this sequence
  std::vector<std::int64_t> cells_;          // by position
  std::vector<std::int64_t> token_of_cell_;  // -1: none that is known
};

// By the tensor that holds the cache: those in which something was kept.
class FullCaches {
 public:
  void add(const ggml_tensor& cache, std::shared_ptr<FullCache> full) { caches_[&cache] = std::move(full); }
  void clear() { caches_.clear(); }
  bool is_empty() const { return caches_.empty(); }

  // Of the cache that a product's factor is a view of, or a copy of a view; null where there is none.
  const FullCache* of_factor(const ggml_tensor& factor) const;

  // Of all of them, for tokens before this position.
  std::size_t fingerprint(std::int64_t position) const;

 private:
  std::map<const ggml_tensor*, std::shared_ptr<FullCache>> caches_;
};

}  // namespace fakequant
