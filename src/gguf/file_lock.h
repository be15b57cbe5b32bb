// Keeps a second program from writing to the same file, for work that several files must come from as one.
//
// The lock is a hidden file beside the target, which the kernel holds for this program and gives free when it ends,
// however that is. Where the folder cannot be written to, or the file system has no locks, there is none.
#pragma once

#include <filesystem>

#include "gguf/file_descriptor.h"

namespace fakequant {

class FileLock {
 public:
  // Throws an Error when another program has the lock of this target.
  explicit FileLock(const std::filesystem::path& target);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  std::filesystem::path path_;
  FileDescriptor fd_;
};

}  // namespace fakequant
