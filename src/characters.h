// The characters of a text in UTF-8.
#pragma once

#include <utf8.h>

#include <cstddef>
#include <string_view>

namespace fakequant {

// The length in bytes, 1 to 4, of the first character of `text`; 0 if the text is empty or begins with invalid UTF-8.
inline std::size_t character_length(std::string_view text) {
  const auto* end = text.data();
  try {
    utf8::next(end, text.data() + text.size());
  } catch (const utf8::exception&) {
    return 0;
  }
  return static_cast<std::size_t>(end - text.data());
}

}  // namespace fakequant
