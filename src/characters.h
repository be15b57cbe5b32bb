// Where the characters of a text in UTF-8 begin.
#pragma once

#include <utf8.h>

#include <cstddef>
#include <string_view>

namespace fakequant {

// The bytes of the character with which `text` begins: 1 to 4; 0 where it begins with none or is empty.
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
