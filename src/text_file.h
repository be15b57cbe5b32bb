// Reading text files.
#pragma once

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "error.h"
#include "foreign_file.h"

namespace fakequant {

// Returns the file's bytes. Throws an Error that calls the file `shown_as` if it cannot be read, is only a Git LFS
// pointer, or has 2 GiB or more, as a device without an end has.
inline std::string read_text(const std::string& path, const std::string& shown_as) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
    constexpr std::size_t kMost = std::size_t{1} << 31;
    if (text.size() >= kMost) throw Error("cannot read " + shown_as + ": it has 2 GiB or more");
  }
  if (errno != 0) throw Error("cannot read " + shown_as + ": " + std::strerror(errno));
  refuse_lfs_pointer(shown_as, text);
  return text;
}

// Throws an Error if a file cannot be read, or is only a Git LFS pointer: called before long work begins.
inline void check_readable(const std::string& path) {
  std::error_code fault;
  if (std::filesystem::is_directory(path, fault)) throw Error("cannot read " + path + ": " + std::strerror(EISDIR));
  if (access(path.c_str(), R_OK) != 0) throw Error("cannot read " + path + ": " + std::strerror(errno));
  refuse_lfs_pointer(path, beginning_of(path));
}

inline std::string read_text(const std::string& path) { return read_text(path, path); }

}  // namespace fakequant
