#include "measure/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "error.h"
#include "measure/prediction.h"

namespace fakequant {
namespace {

std::vector<Token> prompt_tokens(const Model& model, const std::string& prompt, int ctx_size) {
  if (prompt.empty()) throw Error("a prompt is empty: give it a word to begin with");
  auto tokens = model.tokenize(prompt, true, true);
  if (tokens.empty()) throw Error(fmt::format("the prompt '{}' has no tokens", prompt));
  if (static_cast<int>(tokens.size()) >= ctx_size) {
    throw Error(fmt::format(
        "a prompt has {} tokens, which fill the context of {}: give a shorter prompt or a larger --ctx-size",
        tokens.size(), ctx_size));
  }
  return tokens;
}

void check_logits(std::span<const float> logits, std::size_t written) {
  if (!std::isfinite(predict(logits).log_sum)) {
    throw Error(fmt::format("a logit is not a number after {} tokens of a text: is the model damaged?", written));
  }
}

std::vector<Token> continue_text(Context& context, const std::vector<Token>& prompt, const GenerateOptions& options,
                                 int ctx_size) {
  Sampler sampler(options.sampler);
  context.clear();
  context.evaluate(prompt);
  std::vector<Token> written;
  std::size_t last = prompt.size() - 1;
  while (static_cast<int>(written.size()) < options.max_tokens) {
    check_logits(context.logits(last), written.size());
    const auto token = sampler.pick(context, last);
    if (context.model().ends_generation(token)) break;
    written.push_back(token);
    if (context.position() >= ctx_size) break;
    context.evaluate({&token, 1});
    last = 0;
  }
  return written;
}

// The most likely token at each place of `written`, after the prompt and what was written before it.
std::vector<Token> most_likely(Context& context, const std::vector<Token>& prompt, const std::vector<Token>& written) {
  if (written.empty()) return {};
  auto tokens = prompt;
  tokens.insert(tokens.end(), written.begin(), written.end() - 1);
  context.clear();
  context.evaluate(tokens, {prompt.size() - 1, written.size()});
  std::vector<Token> likely;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto logits = context.logits(prompt.size() - 1 + i);
    likely.push_back(static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return likely;
}

std::size_t places_alike(const std::vector<Token>& a, const std::vector<Token>& b) {
  std::size_t alike = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) alike += a[i] == b[i];
  return alike;
}

double fraction(std::size_t part, std::size_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

GenerationVariant compare_texts(const std::vector<Token>& baseline, const std::vector<Token>& variant) {
  GenerationVariant result;
  const auto [differs, other] = std::mismatch(baseline.begin(), baseline.end(), variant.begin(), variant.end());
  result.identical = differs == baseline.end() && other == variant.end();
  if (!result.identical) result.first_difference = static_cast<int>(differs - baseline.begin());
  result.agreement = fraction(places_alike(baseline, variant), std::max(baseline.size(), variant.size()));
  return result;
}

}  // namespace

GenerationResult generate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                          const std::vector<std::string>& prompts, const GenerateOptions& options,
                          const Progress& progress) {
  Subjects subjects(model_files, options.devices);
  const auto& model = subjects.baseline();
  GenerationResult result;
  result.model = model_files.front();
  result.threads = options.threads;
  result.ctx_size = choose_ctx_size(model, options.ctx_size);
  result.max_tokens = options.max_tokens;
  result.temperature = options.sampler.temperature;
  result.seed = options.sampler.seed;

  const ContextOptions context_options{result.ctx_size, options.threads};
  const auto baseline = subjects.open_baseline(context_options);
  const auto contexts = subjects.open(variants, context_options);

  std::vector<std::vector<Token>> tokens;
  for (const auto& prompt : prompts) tokens.push_back(prompt_tokens(model, prompt, result.ctx_size));
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const auto written = continue_text(*baseline, tokens[p], options, result.ctx_size);
    const auto likely = most_likely(*baseline, tokens[p], written);
    PromptResult prompt{prompts[p], model.text(written), {}};
    for (std::size_t v = 0; v < variants.size(); ++v) {
      const auto other = continue_text(*contexts[v], tokens[p], options, result.ctx_size);
      auto compared = compare_texts(written, other);
      compared.name = variants[v].name;
      compared.recipe = variants[v].recipe;
      compared.text = model.text(other);
      compared.forced_agreement =
          fraction(places_alike(likely, most_likely(*contexts[v], tokens[p], written)), written.size());
      prompt.variants.push_back(std::move(compared));
    }
    result.prompts.push_back(std::move(prompt));
    if (progress) progress(static_cast<double>(p + 1) / static_cast<double>(prompts.size()));
  }
  return result;
}

}  // namespace fakequant
