#include "gguf/file_descriptor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "error.h"

namespace fakequant {

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

std::string errno_text() { return std::strerror(errno); }

void read_exactly(int fd, std::uint64_t offset, std::span<std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(fmt::format("cannot read {}: {}", path, errno_text()));
    if (count == 0)
      throw Error(fmt::format("{} ends at byte {} while it is read: is it still being written?", path, offset));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void write_exactly(int fd, std::uint64_t offset, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(fmt::format("cannot write {}: {}", path, errno_text()));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset, std::uint64_t size,
                const std::string& from_path, const std::string& to_path) {
  while (size > 0) {
    auto source = static_cast<off_t>(from_offset);
    auto target = static_cast<off_t>(to_offset);
    const ssize_t count = copy_file_range(from, &source, to, &target, size, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    from_offset += static_cast<std::uint64_t>(count);
    to_offset += static_cast<std::uint64_t>(count);
    size -= static_cast<std::uint64_t>(count);
  }
  // If the kernel cannot copy (between file systems, or a file in memory), the rest goes through a buffer. Real errors,
  // such as a full disk or a short source, occur again there and are reported.
  std::vector<std::byte> buffer(std::min<std::uint64_t>(size, 1u << 20));
  while (size > 0) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(size, buffer.size()));
    read_exactly(from, from_offset, piece, from_path);
    write_exactly(to, to_offset, piece, to_path);
    from_offset += piece.size();
    to_offset += piece.size();
    size -= piece.size();
  }
}

}  // namespace fakequant
