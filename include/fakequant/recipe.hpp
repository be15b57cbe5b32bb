// Recipes: rules that say which values are rounded to which format, and files of them. docs/rules.md defines both.
#pragma once

#include <fakequant/export.h>

#include <string>
#include <vector>

namespace fakequant {

// What a recipe may say beside its rules.
struct RecipeSettings {
  // How it is to be computed; empty: as the session says.
  std::string arithmetic = {};    // of baseline and variants alike: native or f32
  std::string cache_type_k = {};  // of this variant only: llama.cpp's types of cached keys and values,
  std::string cache_type_v = {};
  std::string flash_attn = {};  // and whether attention is fused: on, off or auto
  // What it is, for readers.
  std::string name = {}, source = {}, notes = {};

  bool operator==(const RecipeSettings&) const = default;
};

}  // namespace fakequant

namespace fakequant::FAKEQUANT_V0 {

// Rules in order: the last that matches a site wins.
struct Recipe {
  std::vector<std::string> rules = {};  // "w:ffn_down@0-4=int4,per=block,block=32", "a:ffn_input=e4m3"
  RecipeSettings settings = {};
};

// Parses the text of a recipe in YAML. Throws an Error with line and column.
FAKEQUANT_API Recipe parse_recipe(const std::string& yaml);

// Reads a recipe file, or "@NAME", one that comes with the library. Throws an Error.
FAKEQUANT_API Recipe load_recipe(const std::string& path);

// The names of the recipes that come with the library: "vllm/fp8-dynamic".
FAKEQUANT_API std::vector<std::string> recipe_names();

// The YAML that is parsed to the same rules. Throws an Error for a rule that is invalid.
FAKEQUANT_API std::string to_yaml(const std::vector<std::string>& rules);

}  // namespace fakequant::FAKEQUANT_V0
