#include "measure/text_divergence.h"

#include <algorithm>

#include "measure/chunk_scoring.h"
#include "measure/score_statistics.h"

namespace fakequant {

std::optional<TextDivergence> text_divergence(Context& baseline, Context& variant, std::span<const Token> tokens,
                                              int threads, const std::function<bool()>& is_cancelled) {
  constexpr std::size_t kTogether = 64;  // tokens
  baseline.clear();
  variant.clear();
  const Chunk chunk{0, tokens};
  const auto predictions = tokens.size() - 1;  // nothing comes after the last
  std::vector<double> log_p;
  std::vector<TokenScore> scores;
  TextDivergence result;
  for (std::size_t begin = 0; begin < predictions; begin += kTogether) {
    if (is_cancelled()) return std::nullopt;
    const auto end = std::min(begin + kTogether, tokens.size());
    const ChunkSlice slice{begin, end, {0, std::min(end, predictions) - begin}};
    const auto expected = predict_slice(baseline, chunk, slice, threads);
    log_p.insert(log_p.end(), expected.log_p.begin(), expected.log_p.end());
    if (!result.has_overflowed) {
      result.has_overflowed = score_slice(variant, chunk, slice, expected, threads, scores).has_value();
    }
  }
  const auto of_baseline = sum_of_baseline(log_p);
  result.predictions = of_baseline.count;
  result.baseline_ppl = perplexity(of_baseline.nll, of_baseline.count);
  ScoreStatistics statistics;
  statistics.add(scores);
  result.figures = result.has_overflowed ? no_figures() : statistics.figures();
  return result;
}

}  // namespace fakequant
