// What the terminal of stdout can show.
#pragma once

#include "report/side_by_side.h"

namespace fakequant {

// The terminal's width, and whether it shows colours: not with NO_COLOR (no-color.org) or TERM=dumb in the environment.
// For a file or pipe 0 columns and no colours.
Screen screen_of_stdout();

}  // namespace fakequant
