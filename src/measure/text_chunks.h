// A text cut into chunks as llama-perplexity cuts it: the text's tokens in chunks of ctx_size, the rest dropped; each
// chunk's first token replaced by BOS where the model wants one; scored are the predictions of a chunk's second half.
// One newline at the text's end is dropped.
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

// A chunk among those of several texts: the text's index, and the chunk's index in the text.
struct ChunkPosition {
  int text = 0;
  int chunk = 0;

  bool operator<(const ChunkPosition& other) const {
    return std::pair(text, chunk) < std::pair(other.text, other.chunk);
  }
};

// Tokens [begin, end) of a chunk that are evaluated together, and those of them whose logits are asked for.
struct ChunkSlice {
  std::size_t begin = 0, end = 0;
  OutputRange outputs;  // counted from begin

  std::size_t size() const { return end - begin; }
};

// Which predictions of a chunk are scored, and how it is evaluated.
struct ChunkShape {
  std::size_t ctx_size = 0;

  // The first token whose prediction of the next is scored, and how many are: nothing follows the last token.
  std::size_t first_scored() const { return ctx_size / 2; }
  std::size_t scored() const { return ctx_size - 1 - first_scored(); }

  // Slices, in order, such that none has more than about 32 MiB of logits; but 64 tokens go together wherever there are
  // as many, for llama.cpp's attention takes another way with fewer.
  std::vector<ChunkSlice> slices(int vocabulary_size) const;
};

class TextChunks {
 public:
  // `ctx_size` in tokens; `most_chunks` 0: all. The model must outlive it. Throws an Error if the text cannot be read
  // or has less than two chunks.
  TextChunks(const Model& model, const Text& text, int ctx_size, int most_chunks);

  // The next chunk's tokens; none after the last. Throws an Error when the text cannot be read.
  std::optional<std::vector<Token>> next();

  // How many chunks there have been, and how many there will be: while a long text is read an estimate.
  int taken() const { return taken_; }
  int expected() const;

  std::optional<std::int64_t> tokens_in_text() const { return tokens_.total(); }

 private:
  const Model* model_;
  TokenStream tokens_;
  std::size_t size_;
  int most_chunks_;
  int taken_ = 0;
};

// The context size to evaluate chunks with: `asked`, or min(512, what the model was trained for) where asked is 0.
// Throws a usage error for one that is too small or too large.
int choose_chunk_size(const Model& model, int asked);

}  // namespace fakequant
