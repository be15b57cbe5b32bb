// What tells whether two texts have parts in common: hashes of their windows, which are so many tokens in a row.
//
// A window has the same hash wherever chunks begin, as long as it lies in one. A file keeps a sample of its text: the
// smallest hashes (Broder, On the resemblance and containment of documents, 1997). Of another text those windows are
// looked for there whose hashes are in the range of the sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"

namespace fakequant {

class TextWindows {
 public:
  static constexpr std::size_t kTokens = 32;  // in a window
  static constexpr std::size_t kKept = 2048;  // hashes in a sample, at most

  // Adds the windows of a chunk. Its first token is left out: BOS may have taken its place.
  void add(std::span<const Token> chunk);

  // The sample: eight hexadecimal digits for each hash, in increasing order. Empty where there is no window.
  std::string sample() const;

  // About what part of these windows is in the text of a sample; unset for what is no sample, and where none of them
  // can be looked for.
  std::optional<double> share_in(std::string_view sample) const;

 private:
  std::vector<std::uint32_t> hashes_;  // in the order of the text
};

}  // namespace fakequant
