// Reading a text file whole.
#pragma once

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "error.h"

namespace fakequant {

// Returns the file's bytes. Throws an Error that calls the file `shown_as` when it cannot be read, as a folder cannot.
inline std::string read_text(const std::string& path, const std::string& shown_as) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (errno != 0) throw Error("cannot read " + shown_as + ": " + std::strerror(errno));
  return text;
}

inline std::string read_text(const std::string& path) { return read_text(path, path); }

}  // namespace fakequant
