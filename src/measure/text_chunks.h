// Splits a text into chunks as llama-perplexity does: chunks of ctx_size tokens, without a partial last chunk. BOS
// replaces the first token of each chunk if the model adds BOS. The predictions of the second half of a chunk are
// scored. One newline at the end of the text is dropped.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/model.h"
#include "measure/token_stream.h"

namespace fakequant {

// Identifies a chunk of several texts: the index of the text, and the index of the chunk in the text.
struct ChunkPosition {
  int text = 0;
  int chunk = 0;

  bool operator<(const ChunkPosition& other) const {
    return std::pair(text, chunk) < std::pair(other.text, other.chunk);
  }
  bool operator==(const ChunkPosition&) const = default;
};

// Tokens [begin, end) of a chunk, which are evaluated together.
struct ChunkSlice {
  std::size_t begin = 0, end = 0;
  OutputRange outputs;  // the tokens whose logits are requested, relative to `begin`

  std::size_t size() const { return end - begin; }
};

// The scored predictions of a chunk, and the slices of its evaluation.
struct ChunkShape {
  std::size_t ctx_size = 0;
  std::size_t kv_from = 0;  // tokens that a scored prediction has before it, at least; 0: half of the chunk

  // The first token whose prediction of the next token is scored, and the number of scored predictions. The last token
  // of the chunk has no next token.
  std::size_t first_scored() const { return kv_from > 0 ? kv_from : ctx_size / 2; }
  std::size_t scored() const { return ctx_size - 1 - first_scored(); }

  // The slices, in order. A slice has at most about 32 MiB of logits, but no fewer than 64 tokens if the chunk allows,
  // because llama.cpp computes attention differently for fewer.
  std::vector<ChunkSlice> slices(int vocabulary_size) const;
};

class TextChunks {
 public:
  // `ctx_size` is in tokens. `max_chunks` 0 means all chunks. The model must outlive this object. Throws an Error if
  // the text cannot be read or has fewer than two chunks.
  TextChunks(const Model& model, const Text& text, int ctx_size, int max_chunks);

  // The tokens of the next chunk; unset after the last. Throws an Error if the text cannot be read.
  std::optional<std::vector<Token>> next();

  // The number of chunks taken so far, and of all chunks. The latter is an estimate until a long text has been read.
  int taken() const { return taken_; }
  int expected() const;

  std::optional<std::int64_t> tokens_in_text() const { return tokens_.total(); }

 private:
  const Model* model_;
  TokenStream tokens_;
  std::size_t size_;
  int max_chunks_;
  int taken_ = 0;
};

// The context size for evaluating chunks: `asked`, or min(512, the model's training context) if `asked` is 0. Throws a
// usage error if the size is too small or too large.
int choose_chunk_size(const Model& model, int asked);

}  // namespace fakequant
