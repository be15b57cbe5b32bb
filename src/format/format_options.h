// The options of formats: which key changes which part, of which formats, and how it is read and printed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/format.h"

namespace fakequant {

// The keys that a format with these parts takes, in the order in which they are printed.
std::vector<std::string> option_keys(const Format& format);

// Sets the part that the option's key names, one of option_keys(). Throws a usage error for a value that the part does
// not take.
void set_option(Format& format, const FormatOption& option);

// The options whose values differ from those of `plain`.
std::vector<FormatOption> changed_options(const Format& format, const Format& plain);

}  // namespace fakequant
