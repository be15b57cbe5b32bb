// A file that lives in memory only and has a path while it is open, so that whatever reads files can read it.
#pragma once

#include <string>

#include "gguf/file_descriptor.h"

namespace fakequant {

class MemoryFile {
 public:
  // `name` is shown by tools that list open files. Throws an Error when the kernel refuses.
  explicit MemoryFile(const std::string& name);

  int fd() const { return fd_.get(); }
  std::string path() const;

 private:
  FileDescriptor fd_;
};

}  // namespace fakequant
