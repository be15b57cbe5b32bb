// How many columns of a terminal a text takes: two for the wide characters of East Asia and for most pictures, none for
// combining marks.
#pragma once

#include <cstddef>
#include <string_view>

namespace fakequant {

// Of a text in one line. A byte that is not UTF-8 takes one column.
std::size_t display_width(std::string_view text);

}  // namespace fakequant
