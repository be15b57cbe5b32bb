// What a recipe may say beside its rules: how its variant is computed, and what the recipe is.
//
// Words are kept as the recipe has them; the engine knows which of them there are.
#pragma once

#include <string>

#include "recipe/rule.h"

namespace fakequant {

struct RecipeSettings {
  // How it is to be computed; empty: as the command says.
  std::string arithmetic;    // of baseline and variants alike: native or f32
  std::string cache_type_k;  // of this variant only: llama.cpp's types of cached keys and values,
  std::string cache_type_v;
  std::string flash_attn;  // and whether attention is fused: on, off or auto
  // What it is, for readers.
  std::string name, source, notes;

  bool operator==(const RecipeSettings&) const = default;
};

// A recipe with what it says beside its rules. There may be no rules where the cache has types of its own.
struct RecipeFile {
  Recipe rules;
  RecipeSettings settings = {};

  bool operator==(const RecipeFile&) const = default;
};

// "cache_type_k=q8_0 flash_attn=on": how the variant is computed by itself; empty for as the baseline is.
std::string attention_text(const RecipeSettings& settings);

}  // namespace fakequant
