// The version of this build, for reports and for the metadata of files that it writes.
#pragma once

#include <string>

namespace fakequant {

std::string version();  // "0.1.0"

}  // namespace fakequant
