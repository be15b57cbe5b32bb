#include "report/printable_text.h"

#include <utf8.h>

#include <algorithm>

#include "characters.h"

namespace fakequant {
namespace {

bool is_hidden(char32_t c) {
  const auto within = [&](char32_t first, char32_t last) { return c >= first && c <= last; };
  if (c < U' ' || within(0x7F, 0x9F)) return true;
  return c == 0xAD || c == 0x61C || c == 0x180E ||                                      // soft hyphen, marks
         within(0x200B, 0x200F) || within(0x2028, 0x202E) || within(0x2060, 0x206F) ||  // widths, lines, directions
         c == 0xFEFF || within(0xFFF9, 0xFFFB) || within(0xE0000, 0xE007F);             // BOM, annotations, tags
}

// The text with what `keeps` does not keep replaced. `keeps` takes the rest of the text, and returns how many bytes of
// it stay as they are.
template <typename Keeps>
std::string replaced(std::string_view text, const Keeps& keeps) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto rest = text.substr(at);
    if (const std::size_t kept = keeps(rest); kept > 0) {
      result += rest.substr(0, kept);
      at += kept;
      continue;
    }
    const auto length = character_length(rest);
    result += length == 0 || is_unprintable(rest.substr(0, length)) ? kReplacementCharacter : rest.substr(0, length);
    at += std::max<std::size_t>(length, 1);
  }
  return result;
}

}  // namespace

bool is_unprintable(std::string_view character) {
  const auto* position = character.data();
  return is_hidden(static_cast<char32_t>(utf8::unchecked::next(position)));
}

std::string printable(std::string_view text) {
  return replaced(text, [](std::string_view) { return std::size_t{0}; });
}

std::string printable_lines(std::string_view text) {
  return replaced(text, [](std::string_view rest) -> std::size_t {
    if (rest.starts_with('\n') || rest.starts_with('\t')) return 1;
    for (const auto colour : {kFirstColour, kSecondColour, kNoColour}) {
      if (rest.starts_with(colour)) return colour.size();
    }
    return 0;
  });
}

}  // namespace fakequant
