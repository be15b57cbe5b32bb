// For tests: what llama-perplexity --kl-divergence says of two models, from our logits.
//
// llama-perplexity keeps the baseline's log-probabilities in 16 bits each, as steps between the largest and what lies
// 16 below it, and computes in float; everything lower becomes the lowest step, and what is stored as less than e^-16
// is left out of the divergence (tools/perplexity/perplexity.cpp of llama.cpp). Here our logits take that way, and then
// the statistics are those of `eval`.
//
// Usage: stored_divergence BASELINE VARIANT TEXT CTX_SIZE CHUNKS        prints the JSON of eval
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <vector>

#include "measure/score_statistics.h"
#include "measure/text_chunks.h"
#include "measure/variant.h"
#include "report/eval_report.h"

namespace fakequant {
namespace {

struct StoredPrediction {
  float scale = 0, lowest = 0;
  std::vector<std::uint16_t> steps;

  float log_p(std::size_t token) const { return scale * steps[token] + lowest; }
};

struct FloatSoftmax {
  float largest = 0, log_sum = 0;
};

FloatSoftmax float_softmax(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return {largest, static_cast<float>(std::log(sum))};
}

StoredPrediction store(std::span<const float> logits) {
  const auto softmax = float_softmax(logits);
  const float least = std::max(*std::min_element(logits.begin(), logits.end()), softmax.largest - 16);
  StoredPrediction stored;
  stored.lowest = least - softmax.largest - softmax.log_sum;
  stored.scale = (softmax.largest - least) / 65535.0F;
  const float inverse = stored.scale != 0 ? 1 / stored.scale : 0;
  for (const float logit : logits) {
    stored.steps.push_back(logit > least ? static_cast<std::uint16_t>(std::nearbyint(inverse * (logit - least)))
                                         : std::uint16_t{0});
  }
  return stored;
}

TokenScore score(const StoredPrediction& baseline, std::span<const float> variant, Token token) {
  const auto came = static_cast<std::size_t>(token);
  const auto softmax = float_softmax(variant);
  TokenScore score;
  score.log_p_baseline = baseline.log_p(came);
  score.log_p_variant = -(softmax.largest + softmax.log_sum - variant[came]);
  score.top_variant = static_cast<std::int32_t>(std::max_element(variant.begin(), variant.end()) - variant.begin());
  const float offset = softmax.largest + softmax.log_sum;
  float most = 0;
  for (std::size_t i = 0; i < variant.size(); ++i) {
    const float log_p = baseline.log_p(i);
    if (i == 0 || log_p > most) {
      most = log_p;
      score.top_baseline = static_cast<std::int32_t>(i);
    }
    if (log_p > -16.0F) score.kld += std::exp(log_p) * (log_p - variant[i] + offset);
  }
  return score;
}

// Its percentile(), all of it in float.
float quantile(const std::vector<float>& sorted, float fraction) {
  if (fraction >= 1) return sorted.back();
  const float place = fraction * static_cast<float>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const float rest = place - static_cast<float>(below);
  return (1 - rest) * sorted[below] + rest * sorted[std::min(below + 1, sorted.size() - 1)];
}

Quantiles quantiles(std::vector<float> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](float fraction) { return quantile(values, fraction); };
  const auto half = values.size() / 2;
  const float median = values.size() % 2 == 0 ? 0.5F * (values[half] + values[half - 1]) : values[half];
  return {at(0),     at(0.001F), at(0.01F), at(0.05F), at(0.10F),  at(0.25F), median,
          at(0.75F), at(0.90F),  at(0.95F), at(0.99F), at(0.999F), at(1)};
}

EvalResult measure(const std::string& model_file, const std::string& other, const std::string& text, int ctx_size,
                   int max_chunks) {
  LoadedModels models({model_file});
  const auto baseline = models.open_baseline({.ctx_size = ctx_size, .threads = 2});
  const auto variant = models.open({{"variant", {other}, {}, {}, other}}, {.ctx_size = ctx_size, .threads = 2});
  const ChunkShape shape{static_cast<std::size_t>(ctx_size)};
  TextChunks chunks(models.baseline(), text_file(text), ctx_size, max_chunks);
  ScoreStatistics statistics;
  std::vector<float> klds, delta_ps;
  while (const auto tokens = chunks.next()) {
    for (auto* context : {baseline.get(), variant.front().get()}) {
      context->clear();
      context->evaluate(*tokens, {shape.first_scored(), shape.scored()});
    }
    std::vector<TokenScore> scores;
    for (auto i = shape.first_scored(); i + 1 < shape.ctx_size; ++i) {
      const auto& one =
          scores.emplace_back(score(store(baseline->logits(i)), variant.front()->logits(i), (*tokens)[i + 1]));
      klds.push_back(static_cast<float>(one.kld));
      delta_ps.push_back(std::exp(static_cast<float>(one.log_p_variant)) -
                         std::exp(static_cast<float>(one.log_p_baseline)));
    }
    statistics.add(scores);
  }
  auto figures = statistics.figures();
  figures.kld_at = quantiles(std::move(klds));
  figures.delta_p_at = quantiles(std::move(delta_ps));
  EvalResult result;
  result.model = model_file;
  result.texts.push_back({text, chunks.taken(), {}, 0, {}, {figures}});
  auto& measured = result.variants.emplace_back();
  measured.name = "variant";
  measured.other_model = other;
  measured.figures = figures;
  return result;
}

}  // namespace
}  // namespace fakequant

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  try {
    const auto result = fakequant::measure(argv[1], argv[2], argv[3], std::stoi(argv[4]), std::stoi(argv[5]));
    std::cout << fakequant::to_json(result, {}).dump() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
