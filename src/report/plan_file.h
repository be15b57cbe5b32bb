// Reads a plan back from the JSON that `plan --json` wrote.
#pragma once

#include <string>

#include "recipe/rule.h"

namespace fakequant {

// The rules of the plan that was chosen. Throws an Error if the file cannot be read or is no plan, and a usage error
// if the plan was made without a budget, so that none was chosen, or has rules for activations, which no file holds.
Recipe read_plan(const std::string& path);

}  // namespace fakequant
