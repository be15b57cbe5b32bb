#include "measure/text_chunks.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "measure/variant.h"

namespace fakequant {

std::vector<Token> TextChunks::chunk(int index) const {
  const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(index) * ctx_size;
  std::vector<Token> chunk(begin, begin + ctx_size);
  if (with_bos) chunk[0] = bos;
  return chunk;
}

TextChunks split_text(const Model& model, const std::string& text, const std::string& text_name, int ctx_size,
                      int most_chunks) {
  if (text.empty()) throw Error(fmt::format("the text {} is empty", text_name));
  TextChunks chunks;
  chunks.ctx_size = choose_ctx_size(model, ctx_size);
  if (chunks.ctx_size < 4) {
    throw usage_error(fmt::format("--ctx-size {} is too small: the least is 4", chunks.ctx_size));
  }
  chunks.with_bos = model.adds_bos();
  chunks.bos = model.bos();
  // llama.cpp's tools drop one newline from the end of a file that they read.
  const auto end = text.size() - (text.ends_with('\n') ? 1 : 0);
  chunks.tokens = model.tokenize(std::string_view(text).substr(0, end), true, false);
  if (chunks.tokens.size() < 2 * chunks.size()) {
    throw Error(fmt::format(
        "the text {} has {} tokens, and two contexts of {} are needed: give a longer text or a smaller --ctx-size",
        text_name, chunks.tokens.size(), chunks.ctx_size));
  }
  const auto whole = static_cast<int>(chunks.tokens.size() / chunks.size());
  chunks.count = most_chunks == 0 ? whole : std::min(most_chunks, whole);
  return chunks;
}

}  // namespace fakequant
