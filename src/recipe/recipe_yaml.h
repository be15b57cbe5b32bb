// Recipes as YAML files.
//
//   rules:
//     - weights: ffn_norm        # or activations: ffn_norm
//       layers: 0-4,10           # default: all
//       format: bf16
//       round: zero              # options of the format
//       except: ['w:ffn_norm@3'] # sites that the rule leaves out
//     - activations: {output_of: ffn_up}
//       format: mantissa23
//       acc: e8m13               # of the product's sums
//       every: 32
//     - w:ffn_down=int8,per=row  # a rule in one line, as in --rule
//   except: [w:output]           # that all rules of this kind leave out
//   arithmetic: f32              # and others of recipe_settings.h: cache_type_k, cache_type_v, flash_attn,
//   name: W4A16                  # name, source, notes
#pragma once

#include <string>
#include <string_view>

#include "recipe/builtin_recipes.h"
#include "recipe/recipe_settings.h"
#include "recipe/rule.h"

namespace fakequant {

// Parses the text of a recipe; `name` is the file's name for messages. Throws a usage error with line and column.
RecipeFile parse_recipe_file(const std::string& text, std::string_view name);

// Its rules only.
Recipe parse_recipe(const std::string& text, std::string_view name);

// Reads and parses a recipe file, or "@NAME", one that comes with the program. Throws an Error if it cannot be read, a
// usage error for a name that is unknown, and as parse_recipe_file does.
RecipeFile load_recipe(const std::string& path);

// The recipe of this name, "modelopt/nvfp4", that comes with the program. Throws a usage error where there is none.
const BuiltinRecipe& builtin_recipe(const std::string& name);

// The text that parse_recipe reads back to the same recipe.
std::string to_yaml(const Recipe& recipe);

}  // namespace fakequant
