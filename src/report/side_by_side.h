// Two texts that begin alike, with the difference marked: beside each other where there is room, or one after another.
//
// What they share is shown plainly; from where they part on, the rest is bold and coloured on a terminal that shows
// colours, and begins with >>> anywhere else. A text that ends there says so.
#pragma once

#include <cstddef>
#include <string>

namespace fakequant {

// What the text is written for.
struct Screen {
  int columns = 0;            // of a terminal; 0: a file, whose lines are as long as they are
  bool shows_colour = false;  // by ANSI escape sequences
};

// The narrowest terminal on which two texts stand beside each other.
inline constexpr int kColumnsForTwo = 100;

struct PartedTexts {
  std::string name_a, name_b;
  std::string a, b;
  std::size_t common = 0;  // bytes with which both begin; may end amid a character
};

// Lines that end in '\n'. Bytes that are no UTF-8, and characters that a terminal would obey, are replaced.
std::string side_by_side(const PartedTexts& texts, const Screen& screen);

// A text for the terminal, each line indented by so many blanks, replaced likewise.
std::string indented(const std::string& text, std::size_t blanks);

// A token's text in quotes, as one line: "\n" for a new line, "\xE2" for a byte that is no character.
std::string quoted(const std::string& text);

}  // namespace fakequant
