#include "report/plan_file.h"

#include <fmt/format.h>

#include "error.h"
#include "report/json_file.h"
#include "text_file.h"

namespace fakequant {

Recipe read_plan(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return Error(fmt::format("{} is not a plan: {}: take the JSON of fakequant plan", path, why));
  };
  const auto json = Json::parse(read_text(path), nullptr, false);
  if (json.is_discarded() || !json.is_object()) throw refuse("it is not a JSON object");
  if (json.value("schema", Json()) != "fakequant.plan/1") throw refuse("its schema is not fakequant.plan/1");
  const auto chosen = json.find("chosen");
  if (chosen == json.end()) throw refuse("it has no field 'chosen'");
  if (chosen->is_null()) {
    throw usage_error(fmt::format("{} is a plan without a budget, so no mix was chosen: plan with one", path));
  }
  const auto rules = chosen->is_object() ? chosen->find("rules") : chosen->end();
  if (rules == chosen->end() || !rules->is_array()) throw refuse("it has no list 'rules'");
  Recipe recipe;
  for (const auto& rule : *rules) {
    if (!rule.is_string()) throw refuse("one of its rules is no text");
    recipe.push_back(about(path, [&] { return parse_rule(rule.get<std::string>()); }));
  }
  return recipe;
}

}  // namespace fakequant
