// The recipes that come with the program, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "recipe/recipe_settings.h"
#include "report/json_file.h"

namespace fakequant {

struct NamedRecipeFile {
  std::string name;  // "modelopt/nvfp4"
  RecipeFile recipe;
};

// A table of their names and of what each emulates.
std::string to_text(const std::vector<NamedRecipeFile>& recipes);

Json recipes_json(const std::vector<NamedRecipeFile>& recipes, const Provenance& provenance);

}  // namespace fakequant
