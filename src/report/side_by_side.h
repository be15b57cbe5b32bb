// Two texts with a common beginning and the difference marked: in two columns if there is room, or one below the other.
//
// From the first difference on, the text is bold and coloured on a terminal with colours, and begins with >>>
// elsewhere. A text that ends there is marked "(the end)".
#pragma once

#include <cstddef>
#include <string>

namespace fakequant {

// The screen that the text is written for.
struct Screen {
  int columns = 0;            // of a terminal; 0: a file, in which lines are not broken
  bool shows_colour = false;  // by ANSI escape sequences
};

// The narrowest terminal on which two texts are shown in columns.
inline constexpr int kColumnsForTwo = 100;

struct PartedTexts {
  std::string name_a, name_b;
  std::string a, b;
  std::size_t common = 0;  // bytes of the common beginning; may end within a character
};

// Lines that end in '\n'. Bytes that are not UTF-8, and control characters, are replaced.
std::string side_by_side(const PartedTexts& texts, const Screen& screen);

// The text with each line indented by so many blanks, and with the same replacements.
std::string indented(const std::string& text, std::size_t blanks);

// A token's text in quotes, as one line: "\n" for a new line, "\xE2" for a byte that is not UTF-8.
std::string quoted(const std::string& text);

}  // namespace fakequant
