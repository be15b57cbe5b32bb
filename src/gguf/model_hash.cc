#include "gguf/model_hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "error.h"

namespace fakequant {

std::string sha256_of(const GgufModel& model, Hashed what) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto check = [](int done) {
    if (done != 1) throw Error("cannot compute a SHA-256: OpenSSL refuses");
  };
  check(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr));
  std::vector<std::byte> buffer(1 << 20);
  for (const auto& file : model.parts()) {
    const auto end = what == Hashed::files ? file.size() : file.data_begin();
    for (std::uint64_t at = 0; at < end; at += buffer.size()) {
      const auto piece = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), end - at));
      file.read(at, piece);
      check(EVP_DigestUpdate(context.get(), piece.data(), piece.size()));
    }
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  check(EVP_DigestFinal_ex(context.get(), digest.data(), &size));
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace fakequant
