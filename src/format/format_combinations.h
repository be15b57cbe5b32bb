// Which parts go together: completes a format by what its options imply, and refuses combinations that make no sense.
#pragma once

#include <string_view>
#include <vector>

#include "format/format.h"

namespace fakequant {

// Completes a format whose options are set, those with the given keys. Throws a usage error of one line for parts that
// do not go together.
void settle_parts(Format& format, const std::vector<std::string_view>& keys);

}  // namespace fakequant
