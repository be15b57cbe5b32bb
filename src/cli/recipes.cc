// fakequant recipes: the recipes that come with the program.
#include "cli/command.h"
#include "recipe/recipe_yaml.h"
#include "report/recipes_report.h"

namespace fakequant {
namespace {

struct RecipesOptions : CommonOptions {
  std::string name;
};

void run_recipes(RecipesOptions& options) {
  ResultOutput output(options, {});
  std::vector<NamedRecipeFile> recipes;
  const auto add = [&](const BuiltinRecipe& recipe) {
    const std::string name(recipe.name);
    recipes.push_back({name, parse_recipe_file(std::string(recipe.text), "@" + name)});
  };
  std::string text;
  if (!options.name.empty()) {
    const auto& recipe = builtin_recipe(options.name.substr(options.name.starts_with('@') ? 1 : 0));
    add(recipe);
    text = recipe.text;
  } else {
    for (const auto& recipe : builtin_recipes()) add(recipe);
    text = to_text(recipes) +
           "\n`fakequant recipes NAME` prints one of them; --recipe @NAME and --variant w4a4=@NAME take it.\n";
  }
  output.write(text, recipes_json(recipes, provenance_of(options)));
}

void add_recipes_options(Arguments& arguments, RecipesOptions& options) {
  arguments.positional("NAME", options.name, "A recipe: modelopt/nvfp4", Required::no);
}

}  // namespace

Command recipes_command() {
  return {
      .name = "recipes",
      .summary = "The recipes that come with the program, named for what they emulate",
      .notes = "A recipe that reads ranges.json needs what fakequant calibrate MODEL -f TEXT -o ranges.json writes.",
      .example = "recipes vllm/w4a16-g128",
      .add = command_of(add_recipes_options, run_recipes)};
}

}  // namespace fakequant
