// The tokens of a text, as they are needed: a text of any length is read with bounded memory.
//
// Where a text can be cut so that its pieces have the whole text's tokens depends on the tokenizer. So a long text is
// read in windows that overlap, and a window's tokens follow on the last one's where both have the same run of tokens,
// in the middle of what they share and far from the cuts, which is found only once in it. A text without such a place
// (one word again and again) is read whole. A text that fits one window always is.
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

  // The model must outlive it. All functions throw an Error if the text cannot be read, and the others if it is not
  // UTF-8. Drops one newline at the text's end, as llama.cpp's tools do.
  TokenStream(const Model& model, const Text& text, std::size_t window = kWindow);

  // Whether so many tokens are left.
  bool has(std::size_t count);

  // The next tokens; there must be as many.
  std::vector<Token> take(std::size_t count);

  // The tokens of the whole text: how many there are once all has been read, and before that an estimate.
  std::optional<std::int64_t> total() const;
  std::int64_t expected_total() const;

 private:
  std::string read(std::size_t bytes);
  void read_window();
  void read_whole();
  bool append(std::vector<Token> next);
  void release(std::size_t count);  // the first of pending_
  void check_utf8(const std::string& text, std::uint64_t begin) const;

  const Model* model_;
  std::string name_;
  std::unique_ptr<std::istream> text_;
  std::size_t window_bytes_, overlap_bytes_;
  std::uint64_t size_, bytes_read_ = 0;  // size_ 0: not known
  std::string cut_off_;                  // the beginning of a character at the end of what was read
  std::string overlap_;                  // the end of the last window
  std::vector<Token> ready_;             // tokens that are certain, from taken_ on to be given out
  std::vector<Token> pending_;           // the last window's, of which the end depends on what follows
  std::size_t taken_ = 0;
  std::int64_t given_ = 0;  // tokens given out before ready_
  bool has_ended_ = false;
};

}  // namespace fakequant
