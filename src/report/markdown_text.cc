#include "report/markdown_text.h"

#include <algorithm>
#include <cctype>

#include "report/printable_text.h"

namespace fakequant {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || (static_cast<unsigned char>(c) & 0x80) != 0;
}

// True where a character begins or ends markup. A backslash before any ASCII punctuation makes it a character.
bool is_markup(std::string_view text, std::size_t at) {
  const auto before = at > 0 ? text[at - 1] : ' ';
  const auto rest = text.substr(at + 1);
  switch (text[at]) {
    case '\\':
    case '`':
    case '*':
    case '[':
    case ']':
    case '<':
    case '>':
    case '|':
    case '~':
    case '&':
    case '@':  // a mention, or an address that becomes a link
      return true;
    case '_':  // within a word it is none
      return !is_word(before) || rest.empty() || !is_word(rest.front());
    case '!':
      return rest.starts_with('[');
    case ':':  // of an address
      return rest.starts_with("//");
    case '.':
      return text.substr(0, at).ends_with("www");
    case '#':  // the number of an issue
      return !is_word(before) && !rest.empty() && is_word(rest.front());
    default:
      return false;
  }
}

}  // namespace

std::string markdown_text(std::string_view text) {
  const auto shown = printable(text);
  std::string result;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (is_markup(shown, i)) result += '\\';
    result += shown[i];
  }
  return result;
}

namespace {

// The position of a character that makes a line a heading, a list's entry or a rule; none if there is no such.
std::size_t block_mark(std::string_view line) {
  const auto first = line.find_first_not_of(' ');
  if (first == line.npos) return line.npos;
  if (std::string_view("#-+=").find(line[first]) != std::string_view::npos) return first;
  const auto after = line.find_first_not_of("0123456789", first);
  return after != line.npos && after > first && (line[after] == '.' || line[after] == ')') ? after : line.npos;
}

}  // namespace

std::string markdown_lines(std::string_view text) {
  std::string result;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    auto line = markdown_text(text.substr(begin, end - begin));
    if (const auto mark = block_mark(line); mark != line.npos) line.insert(mark, "\\");
    result += line;
    if (end < text.size()) result += '\n';
    begin = end + 1;
  }
  return result;
}

std::string markdown_code(std::string_view text) {
  const auto shown = printable(text);
  std::string fence = "`";
  while (shown.find(fence) != std::string::npos) fence += '`';
  // A blank at both ends is dropped, and separates the fence from backticks.
  return fence.size() == 1 ? fence + shown + fence : fence + " " + shown + " " + fence;
}

}  // namespace fakequant
