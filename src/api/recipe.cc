// The recipes of the C++ interface: rules as text.
#include <fakequant/recipe.hpp>

#include "api/boundary.h"
#include "api/parsed_rules.h"
#include "recipe/recipe_yaml.h"

namespace fakequant::v0 {

fakequant::Recipe parsed_rules(const std::vector<std::string>& rules) {
  fakequant::Recipe parsed;
  for (const auto& rule : rules) parsed.push_back(parse_rule(rule));
  return parsed;
}

std::vector<std::string> rules_as_text(const fakequant::Recipe& rules) {
  std::vector<std::string> texts;
  for (const auto& rule : rules) texts.push_back(to_string(rule));
  return texts;
}

Recipe parse_recipe(const std::string& yaml) {
  return at_boundary([&]() -> Recipe {
    const auto file = parse_recipe_file(yaml, "the recipe");
    return {rules_as_text(file.rules), file.settings};
  });
}

Recipe load_recipe(const std::string& path) {
  return at_boundary([&]() -> Recipe {
    const auto file = fakequant::load_recipe(path);
    return {rules_as_text(file.rules), file.settings};
  });
}

std::vector<std::string> recipe_names() {
  return at_boundary([] {
    std::vector<std::string> names;
    for (const auto& recipe : builtin_recipes()) names.emplace_back(recipe.name);
    return names;
  });
}

std::string to_yaml(const std::vector<std::string>& rules) {
  return at_boundary([&] { return fakequant::to_yaml(parsed_rules(rules)); });
}

}  // namespace fakequant::v0
