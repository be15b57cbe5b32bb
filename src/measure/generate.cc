#include "measure/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "error.h"
#include "measure/prediction.h"

namespace fakequant {
namespace {

// A prompt as the model reads it.
struct ReadPrompt {
  std::string text;
  std::vector<Token> tokens;
};

ReadPrompt read_prompt(const Model& model, const std::string& prompt, const GenerateOptions& options, int ctx_size) {
  if (prompt.empty()) throw Error("a prompt is empty: give it a word to begin with");
  if (prompt.find('\0') != std::string::npos) throw Error("a prompt has a zero byte: is the file text?");
  ReadPrompt read{options.chat ? model.chat_prompt(options.system, prompt) : prompt, {}};
  auto& tokens = read.tokens;
  tokens = model.tokenize(read.text, true, true);
  // Some templates write the BOS that the tokenizer then writes again.
  const bool is_bos_twice =
      model.adds_bos() && tokens.size() > 1 && tokens[0] == model.bos() && tokens[1] == model.bos();
  if (options.chat && is_bos_twice) tokens.erase(tokens.begin());
  if (tokens.empty()) throw Error("a prompt has no tokens: give it a word to begin with");
  if (static_cast<int>(tokens.size()) >= ctx_size) {
    throw Error(fmt::format(
        "a prompt has {} tokens, which fill the context of {}: give a shorter prompt or a larger context size",
        tokens.size(), ctx_size));
  }
  return read;
}

// What a model wrote, and the token with which it ended the text, where it did.
struct Written {
  std::vector<Token> tokens;
  std::optional<Token> end;

  // Every decision that the model took: a token each, and the end.
  std::size_t positions() const { return tokens.size() + (end ? 1 : 0); }
  Token at(std::size_t position) const { return position < tokens.size() ? tokens[position] : end.value(); }
};

// Throws an Error when one of the logits that follow `position` tokens is not a finite number. `who` is for the
// message.
Prediction checked_prediction(std::span<const float> logits, std::size_t position, const std::string& who) {
  const auto result = predict(logits);
  if (std::isfinite(result.log_sum)) return result;
  throw Error(
      fmt::format("{}: a logit is not a number at token {}, counted from 0: is the model damaged, or a format too "
                  "narrow for it?",
                  who, position));
}

Written continue_text(Context& context, const std::vector<Token>& prompt, const GenerateOptions& options, int ctx_size,
                      const std::string& who) {
  Sampler sampler(options.sampler, context.model(), prompt);
  context.clear();
  context.evaluate(prompt);
  Written written;
  std::size_t last = prompt.size() - 1;
  while (static_cast<int>(written.tokens.size()) < options.max_tokens) {
    checked_prediction(context.logits(last), written.tokens.size(), who);
    const auto token = sampler.pick(context, last);
    if (context.model().ends_generation(token)) {
      written.end = token;
      break;
    }
    written.tokens.push_back(token);
    if (context.position() >= ctx_size) break;
    context.evaluate({&token, 1});
    last = 0;
  }
  return written;
}

// A context that was fed the prompt and a text: what it expected at each of the text's positions.
class Fed {
 public:
  Fed(Context& context, const std::vector<Token>& prompt, const Written& text, const std::string& who)
      : context_(context), first_(prompt.size() - 1) {
    auto tokens = prompt;
    tokens.insert(tokens.end(), text.tokens.begin(), text.tokens.end());
    tokens.resize(first_ + text.positions());  // the last decision's token is not read
    context.clear();
    context.evaluate(tokens, {first_, text.positions()});
    for (std::size_t i = 0; i < text.positions(); ++i) {
      positions_.push_back(checked_prediction(context.logits(first_ + i), i, who));
    }
  }

  std::size_t positions() const { return positions_.size(); }
  Token most_likely(std::size_t position) const { return positions_[position].top.front(); }

  // Valid until the context evaluates something else.
  double probability(std::size_t position, Token token) const {
    return std::exp(log_probability(context_.logits(first_ + position), positions_[position], token));
  }

 private:
  Context& context_;
  std::size_t first_;  // index of the evaluated token that the text's first position follows
  std::vector<Prediction> positions_;
};

double fraction(std::size_t part, std::size_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

double forced_agreement(const Fed& baseline, const Fed& variant) {
  std::size_t alike = 0;
  for (std::size_t i = 0; i < baseline.positions(); ++i) alike += baseline.most_likely(i) == variant.most_likely(i);
  return fraction(alike, baseline.positions());
}

// Where the texts part: the first position at which one has another token, or its end. A position past the end of both,
// or different tokens that both end the text, are no difference.
std::optional<std::size_t> first_difference(const Written& a, const Written& b) {
  const auto [differs, other] = std::mismatch(a.tokens.begin(), a.tokens.end(), b.tokens.begin(), b.tokens.end());
  if (differs == a.tokens.end() && other == b.tokens.end()) return std::nullopt;
  return static_cast<std::size_t>(differs - a.tokens.begin());
}

GenerationVariant compare_texts(const Model& model, const Written& baseline, const Written& variant,
                                const Fed& fed_baseline, const Fed& fed_variant) {
  GenerationVariant result;
  result.text = model.text(variant.tokens);
  result.tokens = static_cast<int>(variant.tokens.size());
  result.ended = variant.end.has_value();
  const auto shorter = std::min(baseline.tokens.size(), variant.tokens.size());
  for (std::size_t i = 0; i < shorter; ++i) result.tokens_alike += baseline.tokens[i] == variant.tokens[i] ? 1 : 0;
  result.agreement =
      fraction(static_cast<std::size_t>(result.tokens_alike), std::max(baseline.tokens.size(), variant.tokens.size()));
  result.forced_agreement = forced_agreement(fed_baseline, fed_variant);
  const auto position = first_difference(baseline, variant);
  result.identical = !position;
  result.common_bytes = result.text.size();
  if (!position) return result;
  result.first_difference = static_cast<int>(*position);
  const auto named = [&](Token token) { return NamedToken{token, model.text({token})}; };
  const auto b = baseline.at(*position), v = variant.at(*position);
  result.at_first_difference =
      FirstDifference{static_cast<int>(*position),
                      named(b),
                      named(v),
                      {fed_baseline.probability(*position, b), fed_baseline.probability(*position, v)},
                      {fed_variant.probability(*position, b), fed_variant.probability(*position, v)}};
  result.common_bytes = model.text({variant.tokens.begin(), variant.tokens.begin() + *result.first_difference}).size();
  return result;
}

}  // namespace

GenerationResult generate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                          const std::vector<std::string>& prompts, const GenerateOptions& options,
                          const Progress& progress) {
  LoadedModels models(model_files, options.compute.devices);
  return generate(models, variants, prompts, options, progress);
}

GenerationResult generate(LoadedModels& models, const std::vector<Variant>& variants,
                          const std::vector<std::string>& prompts, const GenerateOptions& asked,
                          const Progress& progress) {
  const auto& model = models.baseline();
  GenerationResult result;
  auto options = asked;
  if (asked.chat && !model.has_chat_template()) {
    options.chat = false;
    options.system.clear();
    result.notes.push_back(fmt::format("{} has no chat template: it read the prompts as they are{}.", model.path(),
                                       asked.system.empty() ? "" : ", without the system's message"));
  }
  result.model = model.path();
  result.threads = options.compute.threads;
  result.ctx_size = choose_ctx_size(model, options.ctx_size);
  result.max_tokens = options.max_tokens;
  result.chat = options.chat;
  result.system = options.system;
  result.sampling = options.sampler;

  const auto number = [&](std::size_t p) { return fmt::format("prompt {} of {}", p + 1, prompts.size()); };
  std::vector<ReadPrompt> read;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const auto work = [&] { return read_prompt(model, prompts[p], options, result.ctx_size); };
    read.push_back(prompts.size() == 1 ? work() : about(number(p), work));
  }
  const ContextOptions context_options{result.ctx_size, options.compute.threads};
  const auto baseline = models.open_baseline(context_options);
  const auto contexts = models.open(variants, context_options);

  std::size_t texts = 0;
  const auto one_more = [&] {
    if (progress) progress(static_cast<double>(++texts) / static_cast<double>(prompts.size() * (1 + variants.size())));
  };
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const auto& tokens = read[p].tokens;
    const auto who = fmt::format("the baseline, {}", number(p));
    const auto written = continue_text(*baseline, tokens, options, result.ctx_size, who);
    const Fed fed(*baseline, tokens, written, who);
    PromptResult prompt;
    prompt.prompt = prompts[p];
    prompt.baseline = model.text(written.tokens);
    if (options.chat) prompt.read = read[p].text;
    prompt.prompt_tokens = static_cast<int>(tokens.size());
    prompt.tokens = static_cast<int>(written.tokens.size());
    prompt.ended = written.end.has_value();
    prompt.forced_places = static_cast<int>(fed.positions());
    one_more();
    for (std::size_t v = 0; v < variants.size(); ++v) {
      const auto variant = fmt::format("variant {}, {}", variants[v].name, number(p));
      const auto other = continue_text(*contexts[v], tokens, options, result.ctx_size, variant);
      auto compared = compare_texts(model, written, other, fed, Fed(*contexts[v], tokens, written, variant));
      compared.name = variants[v].name;
      compared.recipe = variants[v].recipe;
      prompt.variants.push_back(std::move(compared));
      one_more();
    }
    result.prompts.push_back(std::move(prompt));
  }
  return result;
}

}  // namespace fakequant
