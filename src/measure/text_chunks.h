// A text cut into chunks as llama-perplexity cuts it: the text's tokens in chunks of ctx_size, the rest dropped; each
// chunk's first token replaced by BOS where the model wants one; scored are the predictions of a chunk's second half.
// One newline at the text's end is dropped.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/model.h"

namespace fakequant {

struct TextChunks {
  std::vector<Token> tokens;  // of the whole text
  int ctx_size = 0;
  int count = 0;
  bool with_bos = false;
  Token bos = 0;

  std::size_t size() const { return static_cast<std::size_t>(ctx_size); }
  // The first token of a chunk whose prediction of the next is scored, and how many are.
  std::size_t first_scored() const { return size() / 2; }
  std::size_t scored() const { return size() - 1 - first_scored(); }

  std::vector<Token> chunk(int index) const;
};

// `ctx_size` 0: min(512, what the model was trained for); `most_chunks` 0: all. `text_name` is the text's file, for
// messages. Throws an Error when the text has less than two chunks, a usage error for a context that is too small or
// too large.
TextChunks split_text(const Model& model, const std::string& text, const std::string& text_name, int ctx_size,
                      int most_chunks);

}  // namespace fakequant
