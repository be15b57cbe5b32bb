// An output file that appears complete or not at all.
//
// Output is written to an unnamed file in the target's folder. commit() syncs it to the disk and then gives it the
// target's name. An error or a kill before that leaves no file. (On file systems without unnamed files a hidden file is
// used, and removed after an error.)
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "gguf/file_descriptor.h"

namespace fakequant {

class OutputFile {
 public:
  // Throws an Error if the folder does not exist or cannot be written.
  explicit OutputFile(const std::filesystem::path& target);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  std::string path() const { return target_.string(); }

  // False for a pipe, a device or the name of an open descriptor, which are written sequentially and not replaced.
  bool is_file() const { return !in_place_; }

  // Replaces the target by this file.
  void commit();

  // Removes an existing target, before commit().
  void remove_target();

 private:
  std::filesystem::path target_;
  std::filesystem::path hidden_;  // the name it has until commit(); empty while it has none
  FileDescriptor fd_;
  bool in_place_ = false;
};

// True if both paths lead to the same file, also through links, or would if it existed.
bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

// Writes the whole text, without committing the file.
void write_text(OutputFile& file, std::string_view text);

// Writes a text file and commits it.
void write_file(const std::filesystem::path& target, std::string_view text);

}  // namespace fakequant
