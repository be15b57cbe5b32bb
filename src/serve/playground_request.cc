#include "serve/playground_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/format_properties.h"
#include "recipe/recipe_yaml.h"
#include "serve/request_fields.h"

namespace fakequant {
namespace {

constexpr std::size_t kMaxRules = 64;
constexpr std::size_t kMaxRecipe = std::size_t{1} << 16;  // bytes
constexpr int kMaxText = 1024;                            // tokens

Refusal names_file() {
  return bad_request("the playground reads no files: take formats that name none, and run eval or serve for others");
}

// A list of values is read from its file when its name is parsed.
void check_before_parsing(const std::string& text) {
  check_text(text);
  if (text.size() > kMaxRecipe) throw bad_request(fmt::format("a recipe has at most {} bytes", kMaxRecipe));
  if (text.find("lookup:") != text.npos) throw names_file();
}

void check_files(const Recipe& recipe) {
  for (const auto& rule : recipe) {
    if (!format_files(rule.format).empty()) throw names_file();
  }
}

Recipe recipe_of_rules(const Json& rules) {
  if (!rules.is_array()) throw not_a("rules", "a list of rules");
  if (rules.size() > kMaxRules) throw not_a("rules", fmt::format("at most {} rules", kMaxRules));
  Recipe recipe;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (!rules[i].is_string()) throw not_a("rules", "a list of texts");
    try {
      const auto& text = rules[i].get_ref<const std::string&>();
      check_before_parsing(text);
      recipe.push_back(parse_rule(text));
      check_files(recipe);
    } catch (const Error& error) {
      throw Refusal(400, error.what(), "invalid_rule", fmt::format("rules[{}]", i));
    }
  }
  return recipe;
}

Recipe recipe_of_file(const std::string& text, Arithmetic arithmetic) {
  check_before_parsing(text);
  // In the quotes of YAML a backslash could hide the name of a file.
  if (text.find('\\') != text.npos) throw bad_request("a recipe of the playground has no backslashes");
  const auto file =
      parse_recipe_file(text.starts_with('@') ? std::string(builtin_recipe(text.substr(1)).text) : text, "the recipe");
  check_files(file.rules);
  const auto& settings = file.settings;
  if (!settings.arithmetic.empty() && settings.arithmetic != to_string(arithmetic)) {
    throw bad_request(
        fmt::format("the recipe is for {} arithmetic: serve the model with that arithmetic", settings.arithmetic));
  }
  if (!attention_text(settings).empty()) {
    throw bad_request("the types of the cache cannot change while the model runs: serve the recipe as a variant");
  }
  return file.rules;
}

CompletionRequest one_prompt(CompletionRequest request) {
  if (request.prompts.size() != 1) throw not_a("prompt", "one prompt");
  return request;
}

}  // namespace

Recipe parse_playground_recipe(const Json& body, Arithmetic arithmetic) {
  const auto* rules = find_field(body, "rules");
  const auto* recipe = find_field(body, "recipe");
  if ((rules == nullptr) == (recipe == nullptr)) throw bad_request("give either 'rules' or a 'recipe'");
  if (rules != nullptr) return recipe_of_rules(*rules);
  return recipe_of_file(text_field(body, "recipe"), arithmetic);
}

PlaygroundQuestion parse_playground_question(const Json& body, const RequestedModel& about) {
  if (find_field(body, "messages") == nullptr) {
    const auto request = one_prompt(parse_completion(body, about));
    return {request, request};
  }
  auto of_variant = body;
  if (const auto* messages = find_field(body, "variant_messages")) of_variant["messages"] = *messages;
  auto question = PlaygroundQuestion{parse_chat(body, about), parse_chat(of_variant, about)};
  question.variant.sampler.seed = question.baseline.sampler.seed;  // one seed for both, also where none was given
  return question;
}

PlaygroundText parse_playground_text(const Json& body, const RequestedModel& about) {
  const auto text = text_field(body, "text");
  check_text(text);
  PlaygroundText parsed{about.model.tokenize(text, true, true)};
  parsed.all_tokens = parsed.tokens.size();
  if (parsed.all_tokens < 2) throw bad_request("the text has no prediction: give one of two tokens at least");
  const auto most = static_cast<std::size_t>(std::min(kMaxText, about.ctx_size));
  if (parsed.all_tokens > most) parsed.tokens.resize(most);
  return parsed;
}

}  // namespace fakequant
