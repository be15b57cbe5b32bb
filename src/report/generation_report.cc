#include "report/generation_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {
namespace {

Json token_json(const NamedToken& token) { return {{"id", token.id}, {"text", token.text}}; }

Json probabilities_json(const FirstDifference::Probabilities& p) {
  return {{"p_baseline_token", p.of_baseline_token}, {"p_variant_token", p.of_variant_token}};
}

Json first_difference_json(const std::optional<FirstDifference>& difference) {
  if (!difference) return nullptr;
  return {{"position", difference->position},
          {"baseline_token", token_json(difference->baseline_token)},
          {"variant_token", token_json(difference->variant_token)},
          {"baseline", probabilities_json(difference->baseline)},
          {"variant", probabilities_json(difference->variant)}};
}

Json sampling_json(const SamplerOptions& sampling) {
  return {{"top_k", sampling.top_k},
          {"typical_p", sampling.typical_p},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"repeat_penalty", sampling.repeat_penalty},
          {"frequency_penalty", sampling.frequency_penalty},
          {"presence_penalty", sampling.presence_penalty},
          {"repeat_last_n", sampling.repeat_last_n}};
}

Json variant_json(const GenerationVariant& variant) {
  Json json;
  json["name"] = variant.name;
  json["recipe"] = variant.recipe;
  json["text"] = variant.text;
  json["tokens"] = variant.tokens;
  json["ended"] = variant.ended;
  json["identical"] = variant.identical;
  json["first_difference"] = variant.first_difference ? Json(*variant.first_difference) : Json(nullptr);
  json["at_first_difference"] = first_difference_json(variant.at_first_difference);
  json["overflow"] = variant.overflow ? Json(*variant.overflow) : Json(nullptr);
  json["tokens_alike"] = variant.tokens_alike;
  json["agreement"] = variant.agreement;
  json["forced_agreement"] = variant.forced_agreement;
  return json;
}

// A probability with one decimal, or two significant digits below 0.1 %.
std::string probability_text(double p) {
  const double percent = p * 100;
  return percent == 0 || percent >= 0.1 ? fmt::format("{:.1f} %", percent) : fmt::format("{:.2g} %", percent);
}

std::string length_text(int tokens, bool ended) {
  return fmt::format("{}{}", plural(tokens, "token"), ended ? ", to the text's end" : "");
}

}  // namespace

Json to_json(const GenerationResult& result, const Provenance& provenance) {
  auto json = json_file("generate", result.model, provenance);
  json["threads"] = result.threads;
  json["ctx_size"] = result.ctx_size;
  json["max_tokens"] = result.max_tokens;
  json["chat"] = result.chat;
  json["system"] = result.system.empty() ? Json(nullptr) : Json(result.system);
  json["temperature"] = result.sampling.temperature;
  json["seed"] = result.sampling.seed;
  json["sampling"] = sampling_json(result.sampling);
  json["notes"] = result.notes;
  json["prompts"] = Json::array();
  for (const auto& prompt : result.prompts) {
    Json entry;
    entry["prompt"] = prompt.prompt;
    entry["chat_prompt"] = prompt.read.empty() ? Json(nullptr) : Json(prompt.read);
    entry["prompt_tokens"] = prompt.prompt_tokens;
    entry["baseline"] = prompt.baseline;
    entry["tokens"] = prompt.tokens;
    entry["ended"] = prompt.ended;
    entry["forced_places"] = prompt.forced_places;
    entry["variants"] = Json::array();
    for (const auto& variant : prompt.variants) entry["variants"].push_back(variant_json(variant));
    json["prompts"].push_back(std::move(entry));
  }
  return json;
}

std::string verdict(const PromptResult& prompt, const GenerationVariant& variant) {
  const auto forced = fmt::format("fed the baseline's text, both find the same token most likely at {} of {}",
                                  percent_text(variant.forced_agreement), plural(prompt.forced_places, "place"));
  if (variant.identical) return fmt::format("identical, {}; {}", plural(variant.tokens, "token"), forced);
  const auto overflow = variant.overflow ? fmt::format("the variant overflows: a logit is NaN or infinite after {}; ",
                                                       plural(*variant.overflow, "token"))
                                         : std::string();
  const auto parts = variant.first_difference
                         ? fmt::format("they part at token {}, counted from 0; ", *variant.first_difference)
                         : std::string();
  return fmt::format("{}{} of {} alike; {}{}", overflow, variant.tokens_alike,
                     plural(std::max(prompt.tokens, variant.tokens), "token"), parts, forced);
}

std::string first_difference_text(const FirstDifference& difference) {
  return fmt::format(
      "At token {} the baseline gives {} {} and {} {}; the variant gives them {} and {}.", difference.position,
      quoted(difference.baseline_token.text), probability_text(difference.baseline.of_baseline_token),
      quoted(difference.variant_token.text), probability_text(difference.baseline.of_variant_token),
      probability_text(difference.variant.of_baseline_token), probability_text(difference.variant.of_variant_token));
}

bool shows_baseline(const PromptResult& prompt) {
  return prompt.variants.empty() || std::any_of(prompt.variants.begin(), prompt.variants.end(),
                                                [](const auto& variant) { return variant.identical; });
}

std::string texts_side_by_side(const PromptResult& prompt, const GenerationVariant& variant, const Screen& screen) {
  if (variant.identical) return {};
  return side_by_side({"baseline", variant.name, prompt.baseline, variant.text, variant.common_bytes}, screen);
}

std::string sampling_text(const SamplerOptions& sampling) {
  auto text = sampling.temperature > 0 ? fmt::format("Sampled at temperature {} with seed {}, the same for all",
                                                     sampling.temperature, sampling.seed)
                                       : std::string("The most likely token was taken each time");
  if (sampling.repeat_penalty != 1) text += fmt::format(", with a repeat penalty of {}", sampling.repeat_penalty);
  return text + ".";
}

std::string to_text(const GenerationResult& result, const Screen& screen) {
  std::string text;
  for (std::size_t p = 0; p < result.prompts.size(); ++p) {
    const auto& prompt = result.prompts[p];
    text += fmt::format("Prompt {} of {}{}\n{}", p + 1, result.prompts.size(),
                        result.chat ? ", in the model's chat template" : "", indented(prompt.prompt, 4));
    if (shows_baseline(prompt)) {
      text += fmt::format("  baseline: {}\n{}", length_text(prompt.tokens, prompt.ended), indented(prompt.baseline, 4));
    }
    for (const auto& variant : prompt.variants) {
      text += fmt::format("  {}: {}.\n{}", variant.name, verdict(prompt, variant),
                          texts_side_by_side(prompt, variant, screen));
      if (const auto& difference = variant.at_first_difference) {
        text += fmt::format("    {}\n", first_difference_text(*difference));
      }
    }
    text += "\n";
  }
  text += sampling_text(result.sampling) + "\n";
  for (const auto& note : result.notes) text += printable(note) + "\n";
  return text;
}

}  // namespace fakequant
