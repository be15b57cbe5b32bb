#include "measure/eval.h"

#include <algorithm>
#include <cmath>

#include "measure/chunk_scoring.h"
#include "measure/eval_forecast.h"
#include "measure/noise_floor.h"
#include "measure/score_statistics.h"
#include "measure/worst_tokens.h"

namespace fakequant {
namespace {

// The contexts and settings of one measurement.
struct Measurement {
  std::unique_ptr<Context> baseline;
  std::vector<std::unique_ptr<Context>> contexts;  // of the variants; none of one that is the baseline itself
  std::vector<std::vector<std::unique_ptr<Context>>> jittered;  // of each variant, a context for each jitter
  const std::vector<Variant>* variants;
  ChunkPlan plan;
  const EvalOptions* options;

  bool is_stopped() const { return options->is_stopped && options->is_stopped(); }
};

// The scores of a chunk's predictions.
struct ChunkScores {
  std::vector<double> baseline_log_p;             // of the tokens that came
  std::vector<std::vector<TokenScore>> variants;  // of each, by prediction; empty for one that has overflowed
  std::vector<std::optional<int>> overflow_tokens;
  std::vector<std::vector<std::vector<TokenScore>>> jittered;  // of each variant and jitter
};

// Whether each variant has overflowed in an earlier chunk.
using Overflowed = std::vector<bool>;

void score(const Measurement& with, const Chunk& chunk, const ChunkSlice& slice, const Overflowed& overflowed,
           ChunkScores& scores) {
  const int threads = with.options->compute.threads;
  const auto baseline = predict_slice(*with.baseline, chunk, slice, threads);
  scores.baseline_log_p.insert(scores.baseline_log_p.end(), baseline.log_p.begin(), baseline.log_p.end());
  for (std::size_t v = 0; v < with.contexts.size(); ++v) {
    if (!with.contexts[v]) {
      score_same(chunk, slice, baseline, threads, scores.variants[v]);
      continue;
    }
    if (overflowed[v] || scores.overflow_tokens[v]) continue;
    scores.overflow_tokens[v] = score_slice(*with.contexts[v], chunk, slice, baseline, threads, scores.variants[v]);
    if (scores.overflow_tokens[v]) scores.variants[v].clear();
    for (std::size_t j = 0; j < with.jittered[v].size(); ++j) {
      score_slice(*with.jittered[v][j], chunk, slice, baseline, threads, scores.jittered[v][j]);
    }
  }
}

// Empty when the measurement is stopped meanwhile.
std::optional<ChunkScores> score(const Measurement& with, const Chunk& chunk, const Overflowed& overflowed) {
  ChunkScores scores;
  scores.variants.resize(with.contexts.size());
  scores.overflow_tokens.resize(with.contexts.size());
  for (const auto& contexts : with.jittered) scores.jittered.emplace_back(contexts.size());
  const auto sequence = static_cast<std::uint32_t>(chunk.number);
  with.baseline->clear(sequence);
  for (const auto& context : with.contexts) {
    if (context) context->clear(sequence);
  }
  for (const auto& contexts : with.jittered) {
    for (const auto& context : contexts) context->clear(sequence);
  }
  for (const auto& slice : with.plan.slices) {
    if (with.is_stopped()) return std::nullopt;
    score(with, chunk, slice, overflowed, scores);
  }
  return scores;
}

Measurement prepare(LoadedModels& models, const std::vector<Variant>& variants, ChunkPlan plan,
                    const EvalOptions& options) {
  Measurement with;
  with.plan = std::move(plan);
  with.baseline = models.open_baseline(with.plan.context);
  auto contexts = models.open_shared(variants, with.plan.context, 1 + options.jitters);
  for (std::size_t next = 0; next < contexts.size();) {
    with.contexts.push_back(std::move(contexts[next++]));
    auto& jittered = with.jittered.emplace_back();
    for (int seed = 0; seed < options.jitters; ++seed, ++next) {
      if (!contexts[next]) continue;
      jittered.push_back(std::move(contexts[next]));
      jittered.back()->jitter_embeddings(static_cast<std::uint64_t>(seed));
    }
  }
  with.variants = &variants;
  with.options = &options;
  for (const auto& slice : with.plan.slices) {
    with.baseline->watch_graphs(slice.size(), slice.outputs);
    for (const auto& context : with.contexts) {
      if (context) context->watch_graphs(slice.size(), slice.outputs);
    }
  }
  return with;
}

ChunkResult summarize(int text, int chunk, std::span<const TokenScore> scores) {
  const auto figures = figures_of(sum_of(scores));
  return {text, chunk, figures.ppl.value / figures.ppl_ratio.value, figures};
}

// The sums over a text or over all.
struct TextSums {
  BaselineSums baseline;
  std::vector<ScoreStatistics> variants;

  void add(const ChunkScores& chunk) {
    baseline.add(sum_of_baseline(chunk.baseline_log_p));
    for (std::size_t v = 0; v < variants.size(); ++v) variants[v].add(chunk.variants[v]);
  }
  void add(const TextSums& other) {
    baseline.add(other.baseline);
    for (std::size_t v = 0; v < variants.size(); ++v) variants[v].add(other.variants[v]);
  }
};

void take_macro_averages(EvalResult& result) {
  const auto texts = static_cast<double>(result.texts.size());
  double log_ppl = 0;
  for (const auto& text : result.texts) log_ppl += std::log(text.baseline_ppl.value) / texts;
  result.macro_baseline_ppl = std::exp(log_ppl);
  for (std::size_t v = 0; v < result.variants.size(); ++v) {
    double log_ratio = 0, log_variant = 0;
    auto& macro = result.variants[v].macro;
    for (const auto& text : result.texts) {
      const auto& figures = text.variants[v];
      log_variant += std::log(figures.ppl.value) / texts;
      log_ratio += figures.log_ppl_ratio.value / texts;
      for (const auto& quantity : kScoreQuantities) {
        if (!quantity.is_compared) continue;
        (macro.*quantity.estimate).value += (figures.*quantity.estimate).value / texts;
      }
    }
    macro.ppl.value = std::exp(log_variant);
    macro.ppl_ratio.value = std::exp(log_ratio);
  }
}

// An evaluation in progress.
struct Evaluation {
  const Model& model;
  const Measurement& with;
  EvalResult result;
  TextSums total;
  std::vector<WorstTokens> worst;
  std::vector<std::vector<double>> jittered_kld = {};  // sums, of each variant and jitter

  Overflowed overflowed() const;
  TextSums no_sums() const { return {{}, std::vector<ScoreStatistics>(with.variants->size())}; }
  void add_text(const Text& source, std::size_t texts);
  void add_chunk(int text, int number, std::span<const Token> tokens, const ChunkScores& scores);
  void report_progress(double done, const TextSums& sums) const;
  void finish();
};

Overflowed Evaluation::overflowed() const {
  Overflowed overflowed;
  for (const auto& variant : result.variants) overflowed.push_back(variant.overflow.has_value());
  return overflowed;
}

void Evaluation::add_text(const Text& source, std::size_t texts) {
  const auto index = result.texts.size();
  TextChunks chunks(model, source, result.ctx_size, with.options->chunks);
  TextResult text;
  text.name = source.name;
  auto sums = no_sums();
  while (const auto tokens = chunks.next()) {
    text.windows.add(*tokens);
    const auto scores = score(with, {text.chunks, *tokens}, overflowed());
    result.is_interrupted = !scores.has_value();
    if (result.is_interrupted) break;
    sums.add(*scores);
    add_chunk(static_cast<int>(index), text.chunks, *tokens, *scores);
    ++text.chunks;
    // Texts that have not been opened are taken to be as long as this one.
    const double of_text = static_cast<double>(text.chunks) / chunks.expected();
    report_progress((static_cast<double>(index) + of_text) / static_cast<double>(texts), sums);
  }
  if (text.chunks == 0) return;
  total.add(sums);
  text.tokens_in_text = chunks.tokens_in_text();
  text.tokens_scored = sums.baseline.count;
  text.baseline_ppl = perplexity(sums.baseline.nll, sums.baseline.count);
  for (std::size_t v = 0; v < sums.variants.size(); ++v) {
    text.variants.push_back(result.variants[v].overflow ? no_figures() : sums.variants[v].figures());
  }
  result.texts.push_back(std::move(text));
}

void Evaluation::add_chunk(int text, int number, std::span<const Token> tokens, const ChunkScores& scores) {
  ++result.chunks;
  for (std::size_t v = 0; v < result.variants.size(); ++v) {
    auto& variant = result.variants[v];
    if (variant.overflow) continue;
    if (with.contexts[v]) variant.sites = with.contexts[v]->counters();
    if (scores.overflow_tokens[v]) {
      variant.overflow = overflow_of(*with.contexts[v], {text, number}, *scores.overflow_tokens[v]);
      continue;
    }
    variant.chunks.push_back(summarize(text, number, scores.variants[v]));
    jittered_kld[v].resize(scores.jittered[v].size());
    for (std::size_t j = 0; j < scores.jittered[v].size(); ++j) {
      for (const auto& score : scores.jittered[v][j]) jittered_kld[v][j] += score.kld;
    }
    worst[v].add(text, number, tokens, with.plan.shape.first_scored(), scores.variants[v]);
  }
}

void Evaluation::report_progress(double done, const TextSums& sums) const {
  if (!with.options->progress) return;
  EvalProgress progress{done, result.chunks, 0, {}};
  for (std::size_t v = 0; v < sums.variants.size(); ++v) {
    auto all = total.variants[v].sums();
    all.add(sums.variants[v].sums());
    progress.baseline_ppl = perplexity(all.nll_baseline, all.count).value;
    progress.variants.push_back(perplexity(all.nll, all.count).value);
  }
  with.options->progress(progress);
}

void Evaluation::finish() {
  if (result.chunks == 0) return;
  result.tokens_evaluated = std::int64_t{result.chunks} * result.ctx_size;
  result.tokens_scored = total.baseline.count;
  result.baseline_ppl = perplexity(total.baseline.nll, total.baseline.count);
  for (std::size_t v = 0; v < result.variants.size(); ++v) {
    result.variants[v].figures = result.variants[v].overflow ? no_figures() : total.variants[v].figures();
    result.variants[v].worst_tokens = worst[v].in_words(model);
    if (result.variants[v].overflow) continue;
    for (const auto sum : jittered_kld[v]) {
      result.variants[v].jittered_kld.push_back(sum / static_cast<double>(result.tokens_scored));
    }
  }
  take_macro_averages(result);
}

// Of the variants whose rounded values are rounded again by llama.cpp's kernels.
void add_noise_floors(const Measurement& with, const Text& text, EvalResult& result) {
  for (std::size_t v = 0; v < result.variants.size(); ++v) {
    auto& variant = result.variants[v];
    if (with.is_stopped() || !is_rounded_again(variant.sites)) continue;
    Context least(with.baseline->model(), with.plan.context, least_rounding((*with.variants)[v].taps));
    variant.floor = measure_noise_floor(*with.baseline, least, with.plan, text, with.options->compute.threads);
  }
}

}  // namespace

EvalResult evaluate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                    const std::vector<Text>& texts, const EvalOptions& options) {
  LoadedModels models(model_files, options.compute);
  return evaluate(models, variants, texts, options);
}

EvalForecast foretell(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                      const std::vector<Text>& texts, const EvalOptions& options) {
  LoadedModels models(model_files, options.compute);
  const auto plan = plan_chunks(models.baseline(), options.ctx_size, options.compute, options.kv_from);
  return foretell(models, variants, texts, plan, 1 + options.jitters, options.chunks);
}

EvalResult evaluate(LoadedModels& models, const std::vector<Variant>& variants, const std::vector<Text>& texts,
                    const EvalOptions& options) {
  const auto& model = models.baseline();
  auto plan = plan_chunks(model, options.ctx_size, options.compute, options.kv_from);
  std::optional<EvalForecast> forecast;
  if (options.foretold) {
    forecast = foretell(models, variants, texts, plan, 1 + options.jitters, options.chunks);
    options.foretold(*forecast);
  }
  const auto with = prepare(models, variants, std::move(plan), options);
  Evaluation evaluation{model, with, {}, {}, std::vector<WorstTokens>(variants.size())};
  evaluation.total = evaluation.no_sums();
  evaluation.jittered_kld.resize(variants.size());
  auto& result = evaluation.result;
  result.model = model.path();
  if (forecast) result.memory = forecast->memory;
  result.threads = options.compute.threads;
  result.arithmetic = with.plan.context.arithmetic;
  result.ctx_size = static_cast<int>(with.plan.shape.ctx_size);
  result.batch_size = with.baseline->batch_size();
  result.scored_from = static_cast<int>(with.plan.shape.first_scored());
  for (const auto& variant : variants) {
    auto& row = result.variants.emplace_back();
    row.name = variant.name;
    row.recipe = variant.recipe;
    row.other_model = variant.other_model;
    row.bits_per_weight = variant.bits_per_weight;
  }
  for (const auto& text : texts) {
    if (!result.is_interrupted) evaluation.add_text(text, texts.size());
  }
  evaluation.finish();
  add_noise_floors(with, texts.front(), result);
  return result;
}

}  // namespace fakequant
