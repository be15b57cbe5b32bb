// The kernels are compiled for several instruction sets, Highway's targets, and run with the best that the processor
// has. All give the same bits; this lets a test see that on one processor.
#pragma once

#include <string_view>

namespace fakequant {

// Runs the kernels with no target better than the one of this name (Highway's: "SSSE3", "AVX2"). Call it before any
// kernel. Throws Error where the processor, or the program, has none of this name.
void limit_kernels(std::string_view highest);

}  // namespace fakequant
