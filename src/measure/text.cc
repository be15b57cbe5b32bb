#include "measure/text.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>

#include "error.h"
#include "foreign_file.h"
#include "gguf/sha256.h"
#include "text_file.h"

namespace fakequant {

Text text_file(const std::string& path) {
  check_readable(path);
  if (beginning_of(path).starts_with("GGUF")) throw Error(fmt::format("{} is a GGUF file, and no text", path));
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_regular_file(status)) return {path, std::nullopt};
  return {path, read_text(path)};
}

std::vector<Text> text_files(const std::vector<std::string>& paths) {
  std::vector<Text> texts;
  for (const auto& path : paths) texts.push_back(text_file(path));
  return texts;
}

std::unique_ptr<std::istream> open_text(const Text& text) {
  if (text.content) return std::make_unique<std::istringstream>(*text.content);
  auto file = std::make_unique<std::ifstream>(text.name, std::ios::binary);
  std::error_code ignored;
  const bool is_folder = *file && std::filesystem::is_directory(text.name, ignored);
  if (!*file || is_folder) {
    throw Error(fmt::format("cannot read {}: {}", text.name, std::strerror(is_folder ? EISDIR : errno)));
  }
  refuse_lfs_pointer(text.name, beginning_of(text.name));
  return file;
}

std::uint64_t text_size(const Text& text) {
  if (text.content) return text.content->size();
  std::error_code error;
  const auto size = std::filesystem::file_size(text.name, error);
  return error ? 0 : size;
}

std::string sha256_of_text(const Text& text) {
  if (!text.content) return sha256_of_file(text.name);
  Sha256 hash;
  hash.add(std::as_bytes(std::span(*text.content)));
  return hash.finish();
}

std::vector<std::string> names_of(const std::vector<Text>& texts) {
  std::vector<std::string> names;
  for (const auto& text : texts) names.push_back(text.name);
  return names;
}

}  // namespace fakequant
