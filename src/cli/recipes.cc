// fakequant recipes: the recipes that come with the program.
#include "cli/command.h"
#include "recipe/builtin_recipes.h"
#include "recipe/recipe_yaml.h"
#include "report/recipes_report.h"

namespace fakequant {
namespace {

struct RecipesOptions : CommonOptions {
  std::string name;
};

void run_recipes(RecipesOptions& options) {
  ResultOutput output(options, {});
  const auto provenance = provenance_of(options);
  std::vector<NamedRecipeFile> recipes;
  if (!options.name.empty()) {
    const auto path = options.name.starts_with('@') ? options.name : "@" + options.name;
    const auto recipe = load_recipe(path);
    for (const auto& [name, text] : builtin_recipes()) {
      if (name != builtin_name(path)) continue;
      return output.write(std::string(text), recipes_json({{std::string(name), recipe}}, provenance));
    }
  }
  for (const auto& [name, text] : builtin_recipes()) {
    recipes.push_back({std::string(name), load_recipe("@" + std::string(name))});
  }
  output.write(to_text(recipes) +
                   "\n`fakequant recipes NAME` prints one of them; --recipe @NAME and --variant w4a4=@NAME take it.\n",
               recipes_json(recipes, provenance));
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
