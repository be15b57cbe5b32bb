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

// Short, whatever the target's name: that may already be as long as a name can be.
fs::path hidden_name(const fs::path& folder) {
  return folder / fmt::format(".fakequant.{:08x}.part", std::random_device{}());
}

// A new file in the folder: without a name where the file system can, or else with the name that is put into `hidden`.
FileDescriptor open_temporary(const fs::path& folder, fs::path& hidden) {
  FileDescriptor fd(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  if (fd.get() >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  hidden = hidden_name(folder);
  fd = FileDescriptor(open(hidden.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
  if (fd.get() < 0) hidden.clear();
  return fd;
}

fs::path temporary_folder() {
  std::error_code fault;
  auto folder = fs::temp_directory_path(fault);
  return fault ? fs::path("/tmp") : folder;
}

// True for a file with a mount of its own, as containers have them: rename() cannot replace it.
bool is_mount_point(const fs::path& file, const struct stat& status, const struct stat& folder) {
  if (status.st_dev != folder.st_dev) return true;
  struct statx more {};
  return statx(AT_FDCWD, file.c_str(), 0, STATX_BASIC_STATS, &more) == 0 &&
         (more.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 && (more.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// True if rename() can put another file in the place of an existing one.
bool can_be_replaced(const fs::path& file, const struct stat& status) {
  const auto folder = folder_of(file);
  struct stat of_folder {};
  if (stat(folder.c_str(), &of_folder) != 0) return true;  // opening a file there reports the fault
  if (is_mount_point(file, status, of_folder) || access(folder.c_str(), W_OK | X_OK) != 0) return false;
  // In a folder such as /tmp only the owner of a file may replace it.
  const bool is_sticky = (of_folder.st_mode & S_ISVTX) != 0;
  const auto user = geteuid();
  return !is_sticky || user == 0 || user == status.st_uid || user == of_folder.st_uid;
}

// Makes a file in the folder for temporary files, with a name like that of `target`.
FileDescriptor make_kept_file(const fs::path& target, std::string& path) {
  constexpr std::size_t kLongestName = 100;
  auto name = target.filename().string();
  if (name.size() > kLongestName) name = name.substr(name.size() - kLongestName);
  path = (temporary_folder() / fmt::format("fakequant-{:08x}-{}", std::random_device{}(), name)).string();
  return FileDescriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

bool write_whole(int fd, std::string_view text) {
  // Not write_exactly(): a pipe has no positions.
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::uint64_t size_of(int fd, const fs::path& path) {
  struct stat status {};
  if (fstat(fd, &status) != 0) throw cannot_write(path);
  return static_cast<std::uint64_t>(status.st_size);
}

Error not_written_but_kept(const std::string& why, const std::optional<std::string>& kept) {
  return Error(kept ? fmt::format("{}; the result is kept in {}", why, *kept) : why);
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
  } else if (errno != ENOENT) {  // such as a name that is too long
    throw cannot_write(target);
  }
  if (in_place_) {
    fd_ = FileDescriptor(open(target_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (fd_.get() < 0) throw cannot_write(target);
    return;
  }
  if (mode && !can_be_replaced(target_, status)) {
    overwritten_ = FileDescriptor(open(target_.c_str(), O_WRONLY | O_CLOEXEC));
    if (overwritten_.get() < 0) throw cannot_write(target);
  }
  fd_ = open_temporary(folder_of(target_), hidden_);
  if (fd_.get() < 0 && overwritten_.get() >= 0) fd_ = open_temporary(temporary_folder(), hidden_);
  if (fd_.get() < 0) throw cannot_write(target);
  if (mode) fchmod(fd_.get(), *mode);  // if that is not allowed, the file keeps the mode of a new one
}

OutputFile::~OutputFile() {
  if (!hidden_.empty()) unlink(hidden_.c_str());
}

void OutputFile::reserve(std::uint64_t size) {
  if (in_place_ || size == 0) return;
  while (fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0) {
    if (errno == EINTR) continue;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) throw cannot_write(target_);
    return;
  }
}

void OutputFile::commit() {
  if (in_place_) return;
  if (fsync(fd_.get()) != 0) keep_and_throw();
  if (overwritten_.get() >= 0) return overwrite_target();
  // Gives back what was reserved and not needed. That it cannot be given back is no fault.
  [[maybe_unused]] const auto cut = ftruncate(fd_.get(), static_cast<off_t>(size_of(fd_.get(), target_)));
  if (hidden_.empty()) {
    // linkat() cannot replace a file but rename() can, so the file gets a hidden name first.
    const auto name = hidden_name(folder_of(target_));
    const auto source = fmt::format("/proc/self/fd/{}", fd_.get());
    if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) keep_and_throw();
    hidden_ = name;
  }
  if (std::rename(hidden_.c_str(), target_.c_str()) != 0) keep_and_throw();
  hidden_.clear();
  const FileDescriptor folder(open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) fsync(folder.get());
}

void OutputFile::overwrite_target() {
  const auto size = size_of(fd_.get(), target_);
  const auto before = size_of(overwritten_.get(), target_);
  // On a full disk this fails before the old content is gone.
  if (const int fault = size == 0 ? 0 : posix_fallocate(overwritten_.get(), 0, static_cast<off_t>(size)); fault != 0) {
    [[maybe_unused]] const auto cut = ftruncate(overwritten_.get(), static_cast<off_t>(before));
    errno = fault;
    keep_and_throw();
  }
  try {
    copy_range(fd_.get(), 0, overwritten_.get(), 0, size, target_.string(), target_.string());
  } catch (const Error&) {
    keep_and_throw();
  }
  if (ftruncate(overwritten_.get(), static_cast<off_t>(size)) != 0 || fsync(overwritten_.get()) != 0) keep_and_throw();
}

// Throws an Error with the text of errno.
void OutputFile::keep_and_throw() {
  const auto why = std::string(cannot_write(target_).what());
  std::string path;
  std::optional<std::string> kept;
  if (const auto copy = make_kept_file(target_, path); copy.get() >= 0) {
    try {
      copy_range(fd_.get(), 0, copy.get(), 0, size_of(fd_.get(), target_), target_.string(), path);
      kept = path;
    } catch (const Error&) {
      unlink(path.c_str());
    }
  }
  throw not_written_but_kept(why, kept);
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

std::optional<std::string> keep_text(std::string_view text, const std::string& file_name) {
  std::string path;
  const auto file = make_kept_file(file_name, path);
  if (file.get() < 0) return std::nullopt;
  if (write_whole(file.get(), text)) return path;
  unlink(path.c_str());
  return std::nullopt;
}

void write_text(OutputFile& file, std::string_view text) {
  if (write_whole(file.fd(), text)) return;
  const auto why = std::string(cannot_write(file.path()).what());
  throw not_written_but_kept(why, keep_text(text, file.path()));
}

void write_file(const fs::path& target, std::string_view text) {
  OutputFile file(target);
  write_text(file, text);
  file.commit();
}

}  // namespace fakequant
