// What choosing the types of a file will take (file_plan.h), told before it begins.
#pragma once

#include <cstdint>
#include <optional>

#include "cli/file_plan.h"

namespace fakequant {

struct FilePlanCost {
  double seconds = 0;
  std::uint64_t bytes = 0;  // of memory
};

// By what the model takes for a chunk of the first text, what each type takes for some rows of a matrix, and how often
// plan_file() does either. Includes the time to write the file. Unset where the folder has a study already, which may
// need little more. Throws an Error if the model or the text cannot be read.
std::optional<FilePlanCost> foretell_file_plan(const FilePlanRequest& request);

}  // namespace fakequant
