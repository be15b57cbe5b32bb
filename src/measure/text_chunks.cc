#include "measure/text_chunks.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "measure/variant.h"

namespace fakequant {

std::vector<ChunkSlice> ChunkShape::slices(int vocabulary_size) const {
  constexpr std::size_t kMaxBytes = std::size_t{32} << 20, kMinTokens = 64;
  const auto second_half = ctx_size - first_scored();
  const auto bytes = second_half * static_cast<std::size_t>(vocabulary_size) * sizeof(float);
  const auto pieces = std::clamp<std::size_t>((bytes + kMaxBytes - 1) / kMaxBytes, 1,
                                              std::max<std::size_t>(1, second_half / kMinTokens));
  std::vector<ChunkSlice> slices;
  std::size_t begin = 0;
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    const auto first = std::max(begin, first_scored());
    const auto end = first_scored() + second_half * (piece + 1) / pieces;
    slices.push_back({begin, end, {first - begin, std::min(end, ctx_size - 1) - first}});
    begin = end;
  }
  return slices;
}

TextChunks::TextChunks(const Model& model, const Text& text, int ctx_size, int max_chunks)
    : model_(&model), tokens_(model, text), size_(static_cast<std::size_t>(ctx_size)), max_chunks_(max_chunks) {
  if (tokens_.has(2 * size_)) return;
  throw Error(fmt::format(
      "the text {} has {} tokens, and two contexts of {} are needed: give a longer text or a smaller context size",
      text.name, *tokens_.total(), ctx_size));
}

std::optional<std::vector<Token>> TextChunks::next() {
  if ((max_chunks_ > 0 && taken_ == max_chunks_) || !tokens_.has(size_)) return std::nullopt;
  ++taken_;
  auto chunk = tokens_.take(size_);
  if (model_->adds_bos()) chunk.front() = model_->bos();
  return chunk;
}

int TextChunks::expected() const {
  const auto in_text = static_cast<int>(tokens_.expected_total() / static_cast<std::int64_t>(size_));
  return std::max(taken_, max_chunks_ > 0 ? std::min(max_chunks_, in_text) : in_text);
}

int choose_chunk_size(const Model& model, int asked) {
  const int size = choose_ctx_size(model, asked);
  if (size < 4) throw usage_error(fmt::format("the context size {} is too small: the minimum is 4", size));
  return size;
}

}  // namespace fakequant
