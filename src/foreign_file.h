// What a file is that is not of the kind that a reader needs, so that its error says what to do and not only what is
// wrong.
//
// A clone without Git LFS has pointers in place of large files, a download may be an error page or a PyTorch archive,
// and old models are of formats that GGUF replaced. Each is known by its first bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "error.h"

namespace fakequant {

// True for the content of a Git LFS pointer, which has the version's line and the object's
// (git-lfs/docs/spec.md). `beginning` has the first 512 bytes of the file, or all.
inline bool is_lfs_pointer(std::string_view beginning) {
  const bool has_version = beginning.starts_with("version https://git-lfs.github.com/spec/") ||
                           beginning.starts_with("version https://hawser.github.com/spec/");
  return has_version && beginning.find("\noid ") != std::string_view::npos;
}

constexpr auto kLfsPointer = "a Git LFS pointer, not the file itself: run `git lfs pull`";

// What a file is by its first 512 bytes, and what to do, to follow "FILE is "; empty if they tell nothing.
inline std::string foreign_kind(std::string_view beginning) {
  using namespace std::string_view_literals;
  if (is_lfs_pointer(beginning)) return kLfsPointer;
  const auto begins = [&](std::string_view magic) { return beginning.starts_with(magic); };
  if (begins("GGUF")) return "a GGUF file: another kind of file is needed here";
  // The magic numbers of llama.cpp before GGUF: ggml, ggmf, ggjt and ggla, little-endian.
  if (begins("lmgg") || begins("fmgg") || begins("tjgg") || begins("algg")) {
    return "a GGML file, older than GGUF: convert it with llama.cpp's convert_llama_ggml_to_gguf.py, or download a "
           "GGUF file of the model";
  }
  constexpr auto convert = ": convert the model's folder with llama.cpp's convert_hf_to_gguf.py";
  if (begins("PK\x03\x04"sv)) return std::string("a zip archive, as PyTorch writes checkpoints") + convert;
  if (beginning.size() > 2 && beginning[0] == '\x80' && beginning[1] >= 2 && beginning[1] <= 5) {
    return std::string("a pickle of Python, as PyTorch writes checkpoints") + convert;
  }
  if (begins("\x1f\x8b"sv) || begins("\x28\xb5\x2f\xfd"sv) ||
      begins("\xfd"
             "7zXZ"sv) ||
      begins("BZh") || begins("7z\xbc\xaf"sv)) {
    return "a compressed file: unpack it first";
  }
  std::uint64_t header = 0;
  if (beginning.size() > sizeof(header) + 1) {
    std::memcpy(&header, beginning.data(), sizeof(header));
    const auto after = beginning.substr(sizeof(header));
    const auto second = after.find_first_not_of(" \t\r\n", 1);
    const bool is_object = after[0] == '{' && second != after.npos && (after[second] == '"' || after[second] == '}');
    if (is_object && header < (std::uint64_t{1} << 32)) return std::string("a safetensors file") + convert;
  }
  std::string text(beginning.substr(std::min(beginning.find_first_not_of(" \t\r\n\xef\xbb\xbf"), beginning.size())));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (text.starts_with("<!doctype html") || text.starts_with("<html")) {
    return "an HTML page, not the file itself: download it by its own link, not by that of the page that shows it";
  }
  return "";
}

// The first 512 bytes of a regular file; empty for any other and where they cannot be read: what is wrong then is for
// the caller to say.
inline std::string beginning_of(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return "";
  std::ifstream file(path, std::ios::binary);
  std::array<char, 512> bytes{};
  file.read(bytes.data(), bytes.size());
  return {bytes.data(), static_cast<std::size_t>(file.gcount())};
}

// Throws an Error if a file is a Git LFS pointer: no text, recipe or result begins like one.
inline void refuse_lfs_pointer(const std::string& path, std::string_view beginning) {
  if (is_lfs_pointer(beginning)) throw Error(path + " is " + kLfsPointer);
}

}  // namespace fakequant
