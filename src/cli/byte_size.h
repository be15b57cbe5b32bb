// Sizes of files and memory as options give them.
#pragma once

#include <cstdint>
#include <string>

namespace fakequant {

// "105MB", in units of 1000, or "100MiB", in units of 1024, or bytes. Throws a usage error that names the option,
// also for fewer bytes than `least`.
std::uint64_t parse_size(const char* option, const std::string& text, double least = 1);

}  // namespace fakequant
