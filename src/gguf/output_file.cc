#include "gguf/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include "error.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kMode = 0666;  // before the user's umask

Error cannot_write(const fs::path& path) {
  return Error(fmt::format("cannot write {}: {}", path.string(), errno_text()));
}

// Follows links, so that the file that it points to is replaced and not the link.
fs::path resolve(const fs::path& target) {
  std::error_code ignored;
  const auto resolved = fs::canonical(target, ignored);
  return ignored ? target : resolved;
}

// A name such as /dev/stdout or /dev/fd/3. Its file is written to and not replaced, even if it is a regular file.
bool is_open_descriptor(const fs::path& target) {
  const auto name = target.string();
  return name == "/dev/stdout" || name == "/dev/stderr" || name.starts_with("/dev/fd/") || name.starts_with("/proc/");
}

fs::path folder_of(const fs::path& target) { return target.has_parent_path() ? target.parent_path() : fs::path("."); }

fs::path hidden_name(const fs::path& target) {
  return folder_of(target) / fmt::format(".{}.{:08x}.part", target.filename().string(), std::random_device{}());
}

}  // namespace

OutputFile::OutputFile(const fs::path& target) : target_(resolve(target)) {
  if (target.empty()) throw usage_error("the output has no name: name a file");
  struct stat status {};
  std::optional<mode_t> mode;  // of the file to replace
  if (stat(target_.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode))
      throw Error(fmt::format("cannot write {}: it is a folder: name a file", target.string()));
    in_place_ = !S_ISREG(status.st_mode) || is_open_descriptor(target);
    mode = status.st_mode & 07777;
  }
  if (in_place_) {
    fd_ = FileDescriptor(open(target_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (fd_.get() < 0) throw cannot_write(target);
    return;
  }
  fd_ = FileDescriptor(open(folder_of(target_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  if (fd_.get() < 0) {
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) throw cannot_write(target);
    hidden_ = hidden_name(target_);
    fd_ = FileDescriptor(open(hidden_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
    if (fd_.get() < 0) {
      hidden_.clear();
      throw cannot_write(target);
    }
  }
  if (mode) fchmod(fd_.get(), *mode);  // if that is not allowed, the file keeps the mode of a new one
}

OutputFile::~OutputFile() {
  if (!hidden_.empty()) unlink(hidden_.c_str());
}

void OutputFile::commit() {
  if (in_place_) return;
  if (fsync(fd_.get()) != 0) throw cannot_write(target_);
  if (hidden_.empty()) {
    // linkat() cannot replace a file but rename() can, so the file gets a hidden name first.
    const auto name = hidden_name(target_);
    const auto source = fmt::format("/proc/self/fd/{}", fd_.get());
    if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) throw cannot_write(target_);
    hidden_ = name;
  }
  if (std::rename(hidden_.c_str(), target_.c_str()) != 0) throw cannot_write(target_);
  hidden_.clear();
  const FileDescriptor folder(open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) fsync(folder.get());
}

void OutputFile::remove_target() {
  if (!in_place_ && unlink(target_.c_str()) != 0 && errno != ENOENT) throw cannot_write(target_);
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  if (a.empty() || b.empty()) return false;
  std::error_code fault;
  if (fs::equivalent(a, b, fault) && !fault) return true;
  const auto real_a = fs::weakly_canonical(fs::absolute(a), fault);
  if (fault) return false;
  const auto real_b = fs::weakly_canonical(fs::absolute(b), fault);
  return !fault && real_a == real_b;
}

void write_text(OutputFile& file, std::string_view text) {
  // Not write_exactly(): a pipe has no positions.
  while (!text.empty()) {
    const ssize_t count = write(file.fd(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw cannot_write(file.path());
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void write_file(const fs::path& target, std::string_view text) {
  OutputFile file(target);
  write_text(file, text);
  file.commit();
}

}  // namespace fakequant
