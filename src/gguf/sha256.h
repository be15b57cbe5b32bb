// The SHA-256 of bytes that come piece by piece.
#pragma once

#include <cstddef>
#include <span>
#include <string>

struct evp_md_ctx_st;

namespace fakequant {

class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();

  void add(std::span<const std::byte> bytes);

  // In hexadecimal, of all that was added; nothing can be added afterwards.
  std::string finish();

 private:
  evp_md_ctx_st* context_;
};

// Of a file's bytes. Throws an Error when it cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace fakequant
