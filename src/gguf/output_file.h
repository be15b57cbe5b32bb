// A file that appears whole or not at all.
//
// What is written goes into a file without a name in the target's folder; commit() syncs it to the disk and only then
// gives it the target's name. A fault or a kill before that leaves nothing behind. (Where a file system has no files
// without a name, a hidden one is used and removed again.)
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "gguf/file_descriptor.h"

namespace fakequant {

class OutputFile {
 public:
  // Throws an Error when the folder does not exist or cannot be written.
  explicit OutputFile(const std::filesystem::path& target);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  std::string path() const { return target_.string(); }

  // False for a pipe, a device or an open descriptor's name, which are written to front to back and not replaced.
  bool is_file() const { return !in_place_; }

  // Puts the file in the target's place.
  void commit();

  // Removes what is in the target's place, if anything, before commit().
  void remove_target();

 private:
  std::filesystem::path target_;
  std::filesystem::path hidden_;  // the name it has until commit(); empty while it has none
  FileDescriptor fd_;
  bool in_place_ = false;
};

// True where both paths lead to one file, also through links; or would, where there is none yet.
bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

// Writes the whole text at once. The file is not committed.
void write_text(OutputFile& file, std::string_view text);

// Writes a whole text file that way.
void write_file(const std::filesystem::path& target, std::string_view text);

}  // namespace fakequant
