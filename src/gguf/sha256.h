// The SHA-256 of bytes, added piece by piece.
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

  // The hash of all added bytes, in hexadecimal. No bytes can be added afterwards.
  std::string finish();

 private:
  evp_md_ctx_st* context_;
};

// The hash of a file. Throws an Error if it cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace fakequant
