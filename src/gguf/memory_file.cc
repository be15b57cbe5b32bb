#include "gguf/memory_file.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include "error.h"

namespace fakequant {

MemoryFile::MemoryFile(const std::string& name) : fd_(memfd_create(name.c_str(), MFD_CLOEXEC)) {
  if (fd_.get() < 0) throw Error(fmt::format("cannot make a file in memory: {}", errno_text()));
}

std::string MemoryFile::path() const { return fmt::format("/proc/self/fd/{}", fd_.get()); }

}  // namespace fakequant
