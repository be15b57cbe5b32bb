// Texts from files and models in a Markdown report: they are read as they are, and none of them is markup.
#pragma once

#include <string>
#include <string_view>

namespace fakequant {

// A text within a line, printable(), whose markup of CommonMark and GitHub (also HTML, links and mentions) is escaped.
std::string markdown_text(std::string_view text);

// The same for whole lines, which do not become headings or lists either.
std::string markdown_lines(std::string_view text);

// A text in one line as code, whatever backticks are in it.
std::string markdown_code(std::string_view text);

}  // namespace fakequant
