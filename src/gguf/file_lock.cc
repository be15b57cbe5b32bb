#include "gguf/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <string>

#include "error.h"
#include "gguf/sha256.h"

namespace fakequant {
namespace {

// The same for all paths to the target's folder, and short, whatever the target's name.
std::filesystem::path lock_path(const std::filesystem::path& target) {
  const auto name = target.filename().string();
  Sha256 hash;
  hash.add(std::as_bytes(std::span(name)));
  return target.parent_path() / fmt::format(".fakequant.{}.lock", hash.finish().substr(0, 16));
}

bool is_still_there(int fd, const std::filesystem::path& path) {
  struct stat held {
  }, there{};
  return fstat(fd, &held) == 0 && stat(path.c_str(), &there) == 0 && held.st_dev == there.st_dev &&
         held.st_ino == there.st_ino;
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& target) : path_(lock_path(target)) {
  while (true) {
    fd_ = FileDescriptor(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (fd_.get() < 0) return;  // opening the target reports the fault
    if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return;
      throw Error(
          fmt::format("another program is writing {}: wait until it is done, or name another file", target.string()));
    }
    // The program that had it before removes the file.
    if (is_still_there(fd_.get(), path_)) return;
  }
}

FileLock::~FileLock() {
  if (fd_.get() >= 0) unlink(path_.c_str());
}

}  // namespace fakequant
