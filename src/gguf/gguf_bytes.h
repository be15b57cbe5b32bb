// Numbers and texts as GGUF's metadata stores them, appended to a header that is being made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fakequant {

template <typename T>
void append_number(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// The length comes before the text.
inline void append_text(std::string& bytes, std::string_view text) {
  append_number(bytes, static_cast<std::uint64_t>(text.size()));
  bytes += text;
}

inline void append_key(std::string& bytes, std::string_view key, std::uint32_t type) {
  append_text(bytes, key);
  append_number(bytes, type);
}

}  // namespace fakequant
