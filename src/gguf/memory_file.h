// A file in memory with a path, so that code which opens files by path can read it while it is open.
#pragma once

#include <string>

#include "gguf/file_descriptor.h"

namespace fakequant {

class MemoryFile {
 public:
  // `name` is shown by tools that list open files. Throws an Error if the kernel refuses.
  explicit MemoryFile(const std::string& name);

  int fd() const { return fd_.get(); }
  std::string path() const;

 private:
  FileDescriptor fd_;
};

}  // namespace fakequant
