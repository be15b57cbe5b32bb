#include "measure/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

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
  std::vector<Token> most_likely;  // at each position

  // Every decision that the model took: a token each, and the end.
  std::size_t positions() const { return tokens.size() + (end ? 1 : 0); }
  Token at(std::size_t position) const { return position < tokens.size() ? tokens[position] : end.value(); }
};

// A logit that follows `position` tokens is NaN or infinite.
struct LogitOverflow : Error {
  LogitOverflow(const std::string& who, std::size_t at)
      : Error(fmt::format("{}: a logit is not a number at token {}, counted from 0: is the model damaged?", who, at)),
        position(at) {}
  std::size_t position;
};

// Throws a LogitOverflow when one of the logits that follow `position` tokens is not a finite number. `who` is for the
// message.
Prediction checked_prediction(std::span<const float> logits, std::size_t position, const std::string& who) {
  const auto result = predict(logits);
  if (!std::isfinite(result.log_sum)) throw LogitOverflow(who, position);
  return result;
}

// What a model expects at a position of a text: its logits, and what they say.
using Decision = std::function<void(std::size_t position, std::span<const float> logits, const Prediction& prediction)>;

// Reads the prompt at once and what follows token by token, as every text here is read: other groupings are other sums
// of the same numbers, and then a model would not expect what it wrote. `next` gives the token to read after a
// position, and none at the end.
template <typename Next>
void read_step_by_step(Context& context, const std::vector<Token>& prompt, const std::string& who, const Next& next) {
  context.clear();
  context.evaluate(prompt);
  std::size_t last = prompt.size() - 1;
  for (std::size_t position = 0;; ++position) {
    const auto logits = context.logits(last);
    const std::optional<Token> token = next(position, last, logits, checked_prediction(logits, position, who));
    if (!token) return;
    context.evaluate({&*token, 1});
    last = 0;
  }
}

// Writes to `written`, and calls `decided` with each position and token before the next is read.
template <typename Decided>
void continue_text(Context& context, const std::vector<Token>& prompt, const GenerateOptions& options, int ctx_size,
                   const std::string& who, const Decided& decided, Written& written) {
  Sampler sampler(options.sampler, context.model(), prompt);
  if (options.max_tokens == 0) return;
  read_step_by_step(context, prompt, who,
                    [&](std::size_t position, std::size_t last, std::span<const float> logits,
                        const Prediction& prediction) -> std::optional<Token> {
                      const auto token = sampler.pick(context, last);
                      written.most_likely.push_back(prediction.top.front());
                      decided(position, token, logits, prediction);
                      if (context.model().ends_generation(token)) {
                        written.end = token;
                        return std::nullopt;
                      }
                      written.tokens.push_back(token);
                      const bool is_full = static_cast<int>(written.tokens.size()) >= options.max_tokens ||
                                           context.position() >= ctx_size;
                      return is_full ? std::nullopt : std::optional(token);
                    });
}

// Reads the prompt and a text, up to its position `last`, and calls `seen` at each position.
void read_text(Context& context, const std::vector<Token>& prompt, const Written& text, std::size_t last,
               const std::string& who, const Decision& seen) {
  read_step_by_step(context, prompt, who,
                    [&](std::size_t position, std::size_t, std::span<const float> logits,
                        const Prediction& prediction) -> std::optional<Token> {
                      seen(position, logits, prediction);
                      return position < last ? std::optional(text.tokens[position]) : std::nullopt;
                    });
}

// Where a variant's text parts from the baseline's: the first position at which one has another token, or its end.
// Different tokens that both end the text are no difference.
struct TextDifference {
  std::size_t position = 0;
  Token baseline = 0, variant = 0;
  FirstDifference::Probabilities by_baseline, by_variant;  // the probabilities of the two tokens
};

FirstDifference::Probabilities probabilities(std::span<const float> logits, const Prediction& prediction,
                                             const TextDifference& difference) {
  const auto of = [&](Token token) { return std::exp(log_probability(logits, prediction, token)); };
  return {of(difference.baseline), of(difference.variant)};
}

// What a variant wrote, and what it expected after the baseline's text.
struct VariantText {
  Written written;
  std::vector<Token> forced;  // the most likely tokens at the baseline's positions
  std::optional<TextDifference> difference;
  std::optional<std::size_t> overflow;  // the position at which a logit was NaN or infinite, and the text ends
};

VariantText write_variant(Context& context, const std::vector<Token>& prompt, const GenerateOptions& options,
                          int ctx_size, const Written& baseline, const std::string& who) {
  VariantText text;
  const auto compare = [&](std::size_t position, Token token, std::span<const float> logits,
                           const Prediction& prediction) {
    if (text.difference || position >= baseline.positions()) return;
    const auto expected = baseline.at(position);
    const bool both_end = context.model().ends_generation(expected) && context.model().ends_generation(token);
    if (token == expected || both_end) return;
    text.difference = TextDifference{position, expected, token, {}, {}};
    text.difference->by_variant = probabilities(logits, prediction, *text.difference);
  };
  try {
    continue_text(context, prompt, options, ctx_size, who, compare, text.written);
  } catch (const LogitOverflow& overflow) {
    text.overflow = overflow.position;
  }
  // A variant that wrote the baseline's text has read it.
  text.forced = text.written.most_likely;
  if (text.difference) {
    text.forced.clear();
    try {
      read_text(context, prompt, baseline, baseline.positions() - 1, who,
                [&](std::size_t, std::span<const float>, const Prediction& prediction) {
                  text.forced.push_back(prediction.top.front());
                });
    } catch (const LogitOverflow&) {  // it expects nothing from there on
    }
  }
  constexpr Token kNone = -1;
  text.forced.resize(baseline.positions(), kNone);
  return text;
}

// Fills in what the baseline expected where the variants part from it.
void judge_differences(Context& baseline, const std::vector<Token>& prompt, const Written& written,
                       std::vector<VariantText>& variants, const std::string& who) {
  std::optional<std::size_t> last;
  for (const auto& variant : variants) {
    if (variant.difference) last = std::max(last.value_or(0), variant.difference->position);
  }
  if (!last) return;
  read_text(baseline, prompt, written, *last, who,
            [&](std::size_t position, std::span<const float> logits, const Prediction& prediction) {
              for (auto& variant : variants) {
                auto& difference = variant.difference;
                if (difference && difference->position == position) {
                  difference->by_baseline = probabilities(logits, prediction, *difference);
                }
              }
            });
}

double fraction(std::size_t part, std::size_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

double forced_agreement(const Written& baseline, const VariantText& variant) {
  std::size_t alike = 0;
  for (std::size_t i = 0; i < baseline.positions(); ++i) alike += baseline.most_likely[i] == variant.forced[i];
  return fraction(alike, baseline.positions());
}

GenerationVariant compare_texts(const Model& model, const Written& baseline, const VariantText& text) {
  const auto& variant = text.written;
  GenerationVariant result;
  result.text = model.text(variant.tokens);
  result.tokens = static_cast<int>(variant.tokens.size());
  result.ended = variant.end.has_value();
  const auto shorter = std::min(baseline.tokens.size(), variant.tokens.size());
  for (std::size_t i = 0; i < shorter; ++i) result.tokens_alike += baseline.tokens[i] == variant.tokens[i] ? 1 : 0;
  result.agreement =
      fraction(static_cast<std::size_t>(result.tokens_alike), std::max(baseline.tokens.size(), variant.tokens.size()));
  result.forced_agreement = forced_agreement(baseline, text);
  const auto& difference = text.difference;
  result.identical = !difference && !text.overflow;
  result.common_bytes = result.text.size();
  if (text.overflow) result.overflow = static_cast<int>(*text.overflow);
  if (!difference) return result;
  const auto position = static_cast<int>(difference->position);
  result.first_difference = position;
  const auto named = [&](Token token) { return NamedToken{token, model.text({token})}; };
  result.at_first_difference = FirstDifference{position, named(difference->baseline), named(difference->variant),
                                               difference->by_baseline, difference->by_variant};
  result.common_bytes = model.text({variant.tokens.begin(), variant.tokens.begin() + position}).size();
  return result;
}

}  // namespace

GenerationResult generate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                          const std::vector<std::string>& prompts, const GenerateOptions& options,
                          const Progress& progress) {
  LoadedModels models(model_files, options.compute);
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
  const auto of_context = context_options(result.ctx_size, options.compute);
  const auto baseline = models.open_baseline(of_context);
  const auto contexts = models.open(variants, of_context);

  std::size_t texts = 0;
  const auto one_more = [&] {
    if (progress) progress(static_cast<double>(++texts) / static_cast<double>(prompts.size() * (1 + variants.size())));
  };
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const auto& tokens = read[p].tokens;
    const auto who = fmt::format("the baseline, {}", number(p));
    Written written;
    continue_text(
        *baseline, tokens, options, result.ctx_size, who, [](auto...) {}, written);
    PromptResult prompt;
    prompt.prompt = prompts[p];
    prompt.baseline = model.text(written.tokens);
    if (options.chat) prompt.read = read[p].text;
    prompt.prompt_tokens = static_cast<int>(tokens.size());
    prompt.tokens = static_cast<int>(written.tokens.size());
    prompt.ended = written.end.has_value();
    prompt.forced_places = static_cast<int>(written.positions());
    one_more();
    std::vector<VariantText> texts_of_variants;
    for (std::size_t v = 0; v < variants.size(); ++v) {
      const auto variant = fmt::format("variant {}, {}", variants[v].name, number(p));
      texts_of_variants.push_back(write_variant(*contexts[v], tokens, options, result.ctx_size, written, variant));
      one_more();
    }
    judge_differences(*baseline, tokens, written, texts_of_variants, who);
    for (std::size_t v = 0; v < variants.size(); ++v) {
      auto compared = compare_texts(model, written, texts_of_variants[v]);
      compared.name = variants[v].name;
      compared.recipe = variants[v].recipe;
      prompt.variants.push_back(std::move(compared));
    }
    result.prompts.push_back(std::move(prompt));
  }
  return result;
}

}  // namespace fakequant
