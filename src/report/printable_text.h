// Texts from files and models, as they may be shown: nothing in a name can move the cursor, change the order of what is
// read, or hide.
//
// Control characters (C0, DEL, C1), the format characters of Unicode that change directions or have no width, line and
// paragraph separators, and bytes that are not UTF-8 become U+FFFD. Results in JSON keep texts as they are.
#pragma once

#include <string>
#include <string_view>

namespace fakequant {

// Takes the place of what is not shown.
constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// The colours of what is shown on terminals, and their end.
constexpr std::string_view kFirstColour = "\x1B[1;36m", kSecondColour = "\x1B[1;33m", kNoColour = "\x1B[0m";

// True for a whole character, in UTF-8, that is not shown; new lines and tabs are such.
bool is_unprintable(std::string_view character);

// A text for one line.
std::string printable(std::string_view text);

// A text that keeps its new lines, tabs and the colours above: a whole output.
std::string printable_lines(std::string_view text);

}  // namespace fakequant
