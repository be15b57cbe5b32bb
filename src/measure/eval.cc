#include "measure/eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "error.h"
#include "measure/score_statistics.h"
#include "measure/text_chunks.h"
#include "measure/token_score.h"
#include "parallel.h"

namespace fakequant {
namespace {

constexpr std::size_t kWorstTokens = 10;
constexpr std::size_t kContextTokens = 24;  // shown before a worst token

using Logits = std::vector<std::span<const float>>;

// A chunk that the baseline has just evaluated: its scored predictions, and their normalizers.
struct ScoredChunk {
  int number;
  std::vector<Token> tokens;
  Logits logits;
  std::vector<Softmax> softmax;
};

// Throws when a prediction is not a distribution.
void check(const Softmax& softmax, const std::string& who, int chunk, std::size_t token) {
  if (!std::isfinite(softmax.log_sum)) {
    throw Error(fmt::format("a logit of the {} is not a number: chunk {}, token {}", who, chunk, token));
  }
}

// Evaluates a chunk; returns the logits of its scored predictions, which are valid until the context's next evaluation.
Logits run(Context& context, const TextChunks& chunks, int number, const std::vector<Token>& tokens) {
  context.clear(static_cast<std::uint32_t>(number));
  // Nothing follows the last token, so nothing is asked of it.
  context.evaluate(tokens, {chunks.first_scored(), chunks.scored()});
  Logits logits;
  for (std::size_t i = 0; i < chunks.scored(); ++i) logits.push_back(context.logits(chunks.first_scored() + i));
  return logits;
}

ScoredChunk run_baseline(Context& context, const TextChunks& chunks, int number, int threads) {
  ScoredChunk chunk{number, chunks.chunk(number), {}, std::vector<Softmax>(chunks.scored())};
  chunk.logits = run(context, chunks, number, chunk.tokens);
  parallel_for(static_cast<std::int64_t>(chunks.scored()), threads, [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    chunk.softmax[place] = softmax(chunk.logits[place]);
    check(chunk.softmax[place], "baseline", number, chunks.first_scored() + place);
  });
  return chunk;
}

// The scores of a chunk by a variant's logits.
std::vector<TokenScore> score_chunk(const TextChunks& chunks, const ScoredChunk& chunk, const Logits& variant,
                                    const std::string& name, int threads) {
  std::vector<TokenScore> scores(chunks.scored());
  parallel_for(static_cast<std::int64_t>(scores.size()), threads, [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    const auto index = chunks.first_scored() + place;
    scores[place] = score_token(chunk.logits[place], chunk.softmax[place], variant[place], chunk.tokens[index + 1]);
    if (!std::isfinite(scores[place].kld)) {
      check(softmax(variant[place]), "variant '" + name + "'", chunk.number, index);
    }
  });
  return scores;
}

ChunkResult summarize_chunk(int chunk, std::span<const TokenScore> scores) {
  VariantResult summary;
  summarize(scores, summary);
  return {chunk, summary.ppl.value / summary.ppl_ratio.value, summary.ppl.value, summary.kld.value,
          summary.top1_agreement};
}

std::vector<WorstToken> worst_tokens(const Model& model, const TextChunks& chunks, std::span<const TokenScore> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto count = std::min(kWorstTokens, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return scores[a].kld != scores[b].kld ? scores[a].kld > scores[b].kld : a < b;
                    });
  std::vector<WorstToken> worst;
  for (std::size_t k = 0; k < count && scores[order[k]].kld > 0; ++k) {
    const auto& score = scores[order[k]];
    const auto chunk = static_cast<int>(order[k] / chunks.scored());
    const auto tokens = chunks.chunk(chunk);
    const auto position = chunks.first_scored() + order[k] % chunks.scored() + 1;
    const auto begin = position - std::min(position, kContextTokens);
    WorstToken token;
    token.chunk = chunk;
    token.position = static_cast<int>(position);
    token.context = model.text(
        {tokens.begin() + static_cast<std::ptrdiff_t>(begin), tokens.begin() + static_cast<std::ptrdiff_t>(position)});
    token.token = model.text({tokens[position]});
    token.kld = score.kld;
    token.p_baseline = std::exp(score.log_p_baseline);
    token.p_variant = std::exp(score.log_p_variant);
    token.top_baseline = model.text({score.top_baseline});
    token.top_variant = model.text({score.top_variant});
    worst.push_back(std::move(token));
  }
  return worst;
}

}  // namespace

EvalResult evaluate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                    const std::string& text, const std::string& text_name, const EvalOptions& options,
                    const Progress& progress) {
  Subjects subjects(model_files, options.devices);
  const auto& model = subjects.baseline();
  const auto chunks = split_text(model, text, text_name, options.ctx_size, options.chunks);
  const ContextOptions context_options{chunks.ctx_size, options.threads};
  const auto baseline = subjects.open_baseline(context_options);
  const auto contexts = subjects.open(variants, context_options);

  EvalResult result;
  result.model = model_files.front();
  result.text = text_name;
  result.threads = options.threads;
  result.ctx_size = chunks.ctx_size;
  result.chunks = chunks.count;
  result.tokens_in_text = static_cast<std::int64_t>(chunks.tokens.size());
  result.tokens_evaluated = static_cast<std::int64_t>(chunks.count) * chunks.ctx_size;
  result.tokens_scored = static_cast<std::int64_t>(chunks.count) * static_cast<std::int64_t>(chunks.scored());
  result.variants.resize(variants.size());

  std::vector<double> baseline_log_p;
  std::vector<std::vector<TokenScore>> scores(variants.size());
  for (int number = 0; number < chunks.count; ++number) {
    const auto chunk = run_baseline(*baseline, chunks, number, options.threads);
    for (std::size_t i = 0; i < chunks.scored(); ++i) {
      const auto came = chunk.tokens[chunks.first_scored() + i + 1];
      baseline_log_p.push_back(log_probability(chunk.logits[i], chunk.softmax[i], came));
    }
    for (std::size_t v = 0; v < variants.size(); ++v) {
      const auto logits = run(*contexts[v], chunks, chunk.number, chunk.tokens);
      const auto more = score_chunk(chunks, chunk, logits, variants[v].name, options.threads);
      result.variants[v].chunks.push_back(summarize_chunk(number, more));
      scores[v].insert(scores[v].end(), more.begin(), more.end());
    }
    if (progress) progress(static_cast<double>(number + 1) / chunks.count);
  }

  result.baseline_ppl = perplexity(baseline_log_p);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    auto& variant = result.variants[v];
    variant.name = variants[v].name;
    variant.recipe = variants[v].recipe;
    variant.other_model = variants[v].other_model;
    summarize(scores[v], variant);
    variant.worst_tokens = worst_tokens(model, chunks, scores[v]);
    variant.sites = contexts[v]->counters();
  }
  return result;
}

}  // namespace fakequant
