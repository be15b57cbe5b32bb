// What a recipe may say beside its rules: how its variant is computed, and what the recipe is.
//
// Words are kept as the recipe has them; the engine knows which of them there are.
#pragma once

#include <fakequant/recipe.hpp>
#include <string>

#include "recipe/rule.h"

namespace fakequant {

// A recipe with what it says beside its rules. There may be no rules where the cache has types of its own.
struct RecipeFile {
  Recipe rules;
  RecipeSettings settings = {};

  bool operator==(const RecipeFile&) const = default;
};

// "cache_type_k=q8_0 flash_attn=on": how the variant is computed by itself; empty for as the baseline is.
std::string attention_text(const RecipeSettings& settings);

}  // namespace fakequant
