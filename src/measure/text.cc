#include "measure/text.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "error.h"
#include "foreign_file.h"

namespace fakequant {

Text text_file(const std::string& path) { return {path, std::nullopt}; }

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

}  // namespace fakequant
