// What the terminal behind stdout can show.
#pragma once

#include "report/side_by_side.h"

namespace fakequant {

// A terminal's width, and colours unless the environment has NO_COLOR (no-color.org) or a TERM that is "dumb"; of a
// file or pipe no columns and no colours.
Screen screen_of_stdout();

}  // namespace fakequant
