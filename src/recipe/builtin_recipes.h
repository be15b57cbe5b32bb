// The recipes that come with the program, each named for what it emulates: "modelopt/nvfp4". They are the files of the
// folder recipes/, put into the program when it is built.
#pragma once

#include <string_view>
#include <vector>

namespace fakequant {

struct BuiltinRecipe {
  std::string_view name;
  std::string_view text;  // YAML
};

// In the order of their names.
const std::vector<BuiltinRecipe>& builtin_recipes();

}  // namespace fakequant
