// The tokens of a text, read on demand: a text of any length takes bounded memory.
//
// It depends on the tokenizer where a text can be cut without changing its tokens. So a long text is read in
// overlapping windows. The tokens of two windows are joined at a run of tokens that both have, in the middle of the
// overlap and far from the cuts, and that occurs only once in it. A text without such a run (one word repeated) is read
// whole. So is a text that fits into one window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "measure/text.h"

namespace fakequant {

class TokenStream {
 public:
  static constexpr std::size_t kWindow = std::size_t{2} << 20;  // bytes

  // The model must outlive the stream. All functions throw an Error if the text cannot be read. Bytes that are not
  // UTF-8 go to the tokenizer as they are, and one newline at the text's end is dropped, both as in llama.cpp's tools.
  TokenStream(const Model& model, const Text& text, std::size_t window = kWindow);

  // Whether at least `count` tokens are left.
  bool has(std::size_t count);

  // The next `count` tokens; has(count) must be true.
  std::vector<Token> take(std::size_t count);

  // The number of tokens of the whole text: exact, once all was read, and an estimate at any time.
  std::optional<std::int64_t> total() const;
  std::int64_t expected_total() const;

 private:
  std::string read(std::size_t bytes);
  void read_window();
  void read_whole();
  bool append(std::vector<Token> next);
  void release(std::size_t count);  // moves the first of pending_ to ready_

  const Model* model_;
  std::string name_;
  std::unique_ptr<std::istream> text_;
  std::size_t window_bytes_, overlap_bytes_;
  std::uint64_t size_, bytes_read_ = 0;
  std::string cut_off_;         // the first bytes of an incomplete character at the end of a window
  std::string overlap_;         // the end of the last window
  std::vector<Token> ready_;    // final tokens; those before taken_ were returned
  std::vector<Token> pending_;  // of the last window; its end depends on the text that follows
  std::size_t taken_ = 0;
  std::int64_t given_ = 0;  // tokens returned before ready_
  bool has_ended_ = false;
};

}  // namespace fakequant
