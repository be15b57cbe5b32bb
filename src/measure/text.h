// A text to evaluate: a file, or a string in memory. What can be read only once, such as a pipe, is read into memory.
#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fakequant {

struct Text {
  std::string name;                    // for results and messages; of a file, its path
  std::optional<std::string> content;  // none: that of the file `name`, which is read piece by piece
};

// The text of a file, and those of several. Reads a pipe or a device to its end. Throws an Error if it cannot be read,
// or is a model.
Text text_file(const std::string& path);
std::vector<Text> text_files(const std::vector<std::string>& paths);

// Opens a text for reading. Throws an Error if its file cannot be read, or is only a Git LFS pointer.
std::unique_ptr<std::istream> open_text(const Text& text);

// The text's size in bytes.
std::uint64_t text_size(const Text& text);

// The SHA-256 of the text's bytes, in hexadecimal. Reads a file anew. Throws an Error if it cannot be read.
std::string sha256_of_text(const Text& text);

// The names of texts.
std::vector<std::string> names_of(const std::vector<Text>& texts);

}  // namespace fakequant
