#include "report/side_by_side.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "characters.h"
#include "report/display_width.h"
#include "report/printable_text.h"

namespace fakequant {
namespace {

constexpr std::string_view kMark = ">>>";
constexpr std::string_view kEnd = "(the end)";
constexpr std::array<std::string_view, 2> kColours = {kFirstColour, kSecondColour};  // of the first text, the second

// A character, and whether it belongs to the part that differs.
struct Character {
  std::string bytes;
  bool is_marked = false;
};

using Line = std::vector<Character>;

// The columns of a terminal that characters take.
std::size_t width_of(const Line& line) {
  std::size_t width = 0;
  for (const auto& character : line) width += display_width(character.bytes);
  return width;
}

// The characters of a text; those from byte `marked_from` on are marked.
Line characters_of(std::string_view text, std::size_t marked_from) {
  Line characters;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = character_length(text.substr(at));
    const auto bytes = text.substr(at, std::max<std::size_t>(length, 1));
    const bool is_blank = bytes == "\t" || bytes == "\n";
    std::string shown(bytes == "\t" ? " " : bytes);
    if (length == 0 || (!is_blank && is_unprintable(bytes))) shown = kReplacementCharacter;
    characters.push_back({std::move(shown), at >= marked_from});
    at += bytes.size();
  }
  return characters;
}

// The last index up to `common` at which a character begins in both texts.
std::size_t whole_characters(const PartedTexts& texts) {
  const auto is_within = [](const std::string& text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  auto common = std::min({texts.common, texts.a.size(), texts.b.size()});
  while (common > 0 && (is_within(texts.a, common) || is_within(texts.b, common))) --common;
  return common;
}

Line marked(std::string_view text) { return characters_of(text, 0); }

// The text with its difference marked; without colours, by an inserted mark.
Line with_mark(const std::string& text, std::size_t common, bool shows_colour) {
  auto characters = characters_of(text, common);
  const auto first_marked =
      std::find_if(characters.begin(), characters.end(), [](const auto& c) { return c.is_marked; });
  auto between = marked(shows_colour ? "" : kMark);
  if (common >= text.size()) {
    const auto end = marked(kEnd);
    between.insert(between.end(), end.begin(), end.end());
  }
  characters.insert(first_marked, between.begin(), between.end());
  return characters;
}

// Lines of at most `width` columns, 0 for no limit, broken after blanks if there are any.
std::vector<Line> lines_of(const Line& characters, std::size_t width) {
  std::vector<Line> lines(1);
  for (const auto& character : characters) {
    if (character.bytes == "\n") {
      lines.emplace_back();
      continue;
    }
    auto& line = lines.back();
    if (width > 0 && width_of(line) + display_width(character.bytes) > width) {
      if (character.bytes == " ") {  // the line break replaces it
        lines.emplace_back();
        continue;
      }
      const auto blank = std::find_if(line.rbegin(), line.rend(), [](const auto& c) { return c.bytes == " "; });
      Line rest(blank == line.rend() ? line.end() : blank.base(), line.end());
      line.erase(line.end() - static_cast<std::ptrdiff_t>(rest.size()), line.end());
      lines.push_back(std::move(rest));
    }
    lines.back().push_back(character);
  }
  return lines;
}

// A line, filled with blanks up to `width` columns.
std::string line_text(const Line& line, std::string_view colour, std::size_t width = 0) {
  std::string text;
  bool is_coloured = false;
  for (const auto& character : line) {
    if (character.is_marked != is_coloured) {
      text += character.is_marked ? colour : colour.empty() ? std::string_view() : kNoColour;
      is_coloured = character.is_marked;
    }
    text += character.bytes;
  }
  if (is_coloured && !colour.empty()) text += kNoColour;
  const auto columns = width_of(line);
  return text + std::string(width > columns ? width - columns : 0, ' ');
}

std::string without_blanks_at_the_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string in_columns(const PartedTexts& texts, const Screen& screen) {
  constexpr std::size_t kIndent = 4, kGap = 3;
  const auto width = (static_cast<std::size_t>(screen.columns) - kIndent - kGap) / 2;
  const auto common = whole_characters(texts);
  const auto a = lines_of(with_mark(texts.a, common, screen.shows_colour), width);
  const auto b = lines_of(with_mark(texts.b, common, screen.shows_colour), width);
  const auto colour = [&](std::size_t i) { return screen.shows_colour ? kColours[i] : std::string_view(); };
  const auto row = [&](const Line& left, const Line& right) {
    return without_blanks_at_the_end(std::string(kIndent, ' ') + line_text(left, colour(0), width) +
                                     std::string(kGap, ' ') + line_text(right, colour(1)));
  };
  const auto heading = [&](const std::string& name) {
    auto line = characters_of(name, name.size());
    while (width_of(line) > width) line.pop_back();
    return line;
  };
  auto text = row(heading(texts.name_a), heading(texts.name_b));
  const Line none;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    text += row(i < a.size() ? a[i] : none, i < b.size() ? b[i] : none);
  }
  return text;
}

std::string one_after_another(const PartedTexts& texts, const Screen& screen) {
  const std::string alike = "alike";
  const auto common = whole_characters(texts);
  const auto width = [](const std::string& name) { return width_of(characters_of(name, 0)); };
  const auto longest = std::max({width(alike), width(texts.name_a), width(texts.name_b)});
  std::string text;
  const auto add = [&](const std::string& name, const Line& characters, std::string_view colour) {
    auto label = line_text(characters_of(name, name.size()), "", longest);
    for (const auto& line : lines_of(characters, 0)) {
      text += without_blanks_at_the_end(fmt::format("    {}  {}", label, line_text(line, colour)));
      label = std::string(longest, ' ');
    }
  };
  const auto colour = [&](std::size_t i) { return screen.shows_colour ? kColours[i] : std::string_view(); };
  if (common > 0) add(alike, characters_of(texts.a.substr(0, common), common), "");
  add(texts.name_a, with_mark(texts.a.substr(common), 0, screen.shows_colour), colour(0));
  add(texts.name_b, with_mark(texts.b.substr(common), 0, screen.shows_colour), colour(1));
  return text;
}

}  // namespace

std::string side_by_side(const PartedTexts& texts, const Screen& screen) {
  return screen.columns >= kColumnsForTwo ? in_columns(texts, screen) : one_after_another(texts, screen);
}

std::string indented(const std::string& text, std::size_t blanks) {
  std::string result;
  for (const auto& line : lines_of(characters_of(text, text.size()), 0)) {
    result += without_blanks_at_the_end(std::string(blanks, ' ') + line_text(line, ""));
  }
  return result;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (std::string_view rest = text; !rest.empty();) {
    const auto length = character_length(rest);
    const auto bytes = rest.substr(0, std::max<std::size_t>(length, 1));
    if (bytes == "\n") {
      result += "\\n";
    } else if (length == 0 || is_unprintable(bytes)) {
      for (const char c : bytes) result += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    } else {
      if (bytes == "\"" || bytes == "\\") result += '\\';
      result += bytes;
    }
    rest.remove_prefix(bytes.size());
  }
  return result + "\"";
}

}  // namespace fakequant
