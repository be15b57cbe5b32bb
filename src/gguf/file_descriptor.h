// An open file descriptor that is closed by its owner's destructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace fakequant {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  int get() const { return fd_; }

 private:
  int fd_;
};

// The text of errno, such as "No such file or directory".
std::string errno_text();

// Reads exactly bytes.size() bytes at `offset`. Throws an Error that names `path` if the file is too short.
void read_exactly(int fd, std::uint64_t offset, std::span<std::byte> bytes, const std::string& path);

// Writes all bytes at `offset`. Throws an Error that names `path`.
void write_exactly(int fd, std::uint64_t offset, std::span<const std::byte> bytes, const std::string& path);

// Copies `size` bytes between two files inside the kernel, which shares blocks where the file system can.
void copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset, std::uint64_t size,
                const std::string& from_path, const std::string& to_path);

}  // namespace fakequant
