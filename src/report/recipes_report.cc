#include "report/recipes_report.h"

#include "report/numbers.h"
#include "report/table.h"

namespace fakequant {

std::string to_text(const std::vector<NamedRecipeFile>& recipes) {
  Table table({"recipe<", "what it emulates<"});
  for (const auto& [name, recipe] : recipes) table.add_row({"@" + name, recipe.settings.name});
  return table.to_text();
}

Json recipes_json(const std::vector<NamedRecipeFile>& recipes, const Provenance& provenance) {
  auto json = json_file("recipes", "", provenance);
  json["recipes"] = Json::array();
  for (const auto& [name, recipe] : recipes) {
    const auto& settings = recipe.settings;
    auto rules = Json::array();
    for (const auto& rule : recipe.rules) rules.push_back(to_string(rule));
    json["recipes"].push_back({{"recipe", name},
                               {"name", settings.name},
                               {"source", settings.source},
                               {"notes", settings.notes},
                               {"rules", rules},
                               {"arithmetic", text_or_null(settings.arithmetic)},
                               {"cache_type_k", text_or_null(settings.cache_type_k)},
                               {"cache_type_v", text_or_null(settings.cache_type_v)},
                               {"flash_attn", text_or_null(settings.flash_attn)}});
  }
  return json;
}

}  // namespace fakequant
