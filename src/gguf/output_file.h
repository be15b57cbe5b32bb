// An output file that appears complete or not at all.
//
// Output is written to an unnamed file in the target's folder. commit() syncs it to the disk and then gives it the
// target's name. An error or a kill before that leaves no file. (On file systems without unnamed files a hidden file is
// used, and removed after an error.)
//
// A file that no other can take the place of, such as one that is mounted by itself or lies in a folder without write
// permission, is overwritten by commit() instead. What cannot be written at the end, after long work, is kept in
// another place, which the error names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "gguf/file_descriptor.h"

namespace fakequant {

class OutputFile {
 public:
  // Throws an Error if the folder does not exist or cannot be written, or the name is too long.
  explicit OutputFile(const std::filesystem::path& target);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  std::string path() const { return target_.string(); }

  // False for a pipe, a device or the name of an open descriptor, which are written sequentially and not replaced.
  bool is_file() const { return !in_place_; }

  // Allocates space for a file of this size (bytes), which is not changed. Throws an Error when the disk is full; does
  // nothing where the file system cannot.
  void reserve(std::uint64_t size);

  // Replaces the target by this file. Throws an Error, which says where the file is kept, when that fails.
  void commit();

  // Removes an existing target, before commit().
  void remove_target();

 private:
  [[noreturn]] void keep_and_throw();
  void overwrite_target();

  std::filesystem::path target_;
  std::filesystem::path hidden_;  // the name it has until commit(); empty while it has none
  FileDescriptor fd_;
  FileDescriptor overwritten_;  // the target, where it is overwritten and not replaced
  bool in_place_ = false;
};

// True if both paths lead to the same file, also through links, or would if it existed.
bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

// Writes the text to a new file in the folder for temporary files. Returns its path, or nothing when that fails, too.
std::optional<std::string> keep_text(std::string_view text, const std::string& file_name);

// Writes the whole text, without committing the file. Throws an Error, which says where the text is kept, when that
// fails.
void write_text(OutputFile& file, std::string_view text);

// Writes a text file and commits it.
void write_file(const std::filesystem::path& target, std::string_view text);

}  // namespace fakequant
