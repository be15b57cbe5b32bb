#include "measure/text_divergence.h"

#include <algorithm>

#include "measure/score_statistics.h"

namespace fakequant {

BaselineText::BaselineText(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
  constexpr std::size_t kTogether = 64;         // tokens
  const auto predictions = tokens_.size() - 1;  // nothing comes after the last
  for (std::size_t begin = 0; begin < predictions; begin += kTogether) {
    const auto end = std::min(begin + kTogether, tokens_.size());
    slices_.push_back({begin, end, {0, std::min(end, predictions) - begin}});
  }
}

void BaselineText::begin(Context& baseline) {
  if (kept_.size() == slices_.size()) return;
  kept_.clear();
  logits_.clear();
  baseline.clear();
}

const BaselineSlice& BaselineText::predict(Context& baseline, std::size_t slice, int threads) {
  if (slice < kept_.size()) return kept_[slice];
  current_ = predict_slice(baseline, {0, tokens_}, slices_[slice], threads);
  const auto bytes = tokens_.size() * static_cast<std::size_t>(baseline.model().vocabulary_size()) * sizeof(float);
  if (bytes > kMaxKept) return current_;
  keep(std::move(current_));
  return kept_.back();
}

void BaselineText::keep(BaselineSlice slice) {
  for (auto& values : slice.logits) {
    logits_.emplace_back(values.begin(), values.end());
    values = logits_.back();
  }
  kept_.push_back(std::move(slice));
}

std::optional<TextDivergence> text_divergence(Context& baseline, BaselineText& text, Context& variant, int threads,
                                              const std::function<bool()>& is_cancelled) {
  text.begin(baseline);
  variant.clear();
  const Chunk chunk{0, text.tokens()};
  std::vector<double> log_p;
  std::vector<TokenScore> scores;
  TextDivergence result;
  for (std::size_t i = 0; i < text.slices().size(); ++i) {
    if (is_cancelled()) return std::nullopt;
    const auto& expected = text.predict(baseline, i, threads);
    log_p.insert(log_p.end(), expected.log_p.begin(), expected.log_p.end());
    if (result.has_overflowed) continue;
    result.has_overflowed = score_slice(variant, chunk, text.slices()[i], expected, threads, scores).has_value();
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
