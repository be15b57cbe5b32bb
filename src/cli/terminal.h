// What the terminals of stdout and stderr can show.
#pragma once

#include <string>
#include <string_view>

#include "report/side_by_side.h"

namespace fakequant {

// The terminal's width, and whether it shows colours: not with NO_COLOR (no-color.org) or TERM=dumb in the environment.
// For a file or pipe 0 columns and no colours.
Screen screen_of_stdout();

// The columns of the terminal of stderr now; 80 where it does not say.
int columns_of_stderr();

// Whether the terminal understands escapes, such as one to clear a line: not with TERM=dumb, or without TERM.
bool terminal_has_escapes();

// The beginning of a line that takes at most so many columns.
std::string cut_to_columns(std::string_view line, int columns);

}  // namespace fakequant
