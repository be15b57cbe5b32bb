// Rules between the C++ interface, which has their text, and the rest of the library.
#pragma once

#include <string>
#include <vector>

#include "recipe/rule.h"

namespace fakequant::v0 {

// Throws as parse_rule does.
fakequant::Recipe parsed_rules(const std::vector<std::string>& rules);

std::vector<std::string> rules_as_text(const fakequant::Recipe& rules);

}  // namespace fakequant::v0
