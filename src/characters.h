// The characters of a text in UTF-8.
#pragma once

#include <utf8.h>

#include <algorithm>
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

// The number of bytes of an incomplete character at the end of a text.
inline std::size_t incomplete_bytes(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace fakequant
