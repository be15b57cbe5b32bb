#include "measure/worst_tokens.h"

#include <algorithm>
#include <cmath>

namespace fakequant {
namespace {

constexpr std::size_t kWorstTokens = 10;
constexpr std::size_t kContextTokens = 24;  // shown before a worst token

}  // namespace

void WorstTokens::add(int text, int chunk, std::span<const Token> tokens, std::size_t first,
                      std::span<const TokenScore> scores) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto& score = scores[i];
    if (!(score.kld > 0) || (worst_.size() == kWorstTokens && score.kld <= worst_.back().score.kld)) continue;
    const auto position = first + i + 1;
    const auto before =
        tokens.subspan(position - std::min(position, kContextTokens), std::min(position, kContextTokens));
    const auto position_in_list =
        std::upper_bound(worst_.begin(), worst_.end(), score.kld,
                         [](double kld, const Candidate& other) { return kld > other.score.kld; });
    worst_.insert(position_in_list, {text, chunk, position, {before.begin(), before.end()}, tokens[position], score});
    if (worst_.size() > kWorstTokens) worst_.pop_back();
  }
}

std::vector<WorstToken> WorstTokens::in_words(const Model& model) const {
  std::vector<WorstToken> tokens;
  for (const auto& candidate : worst_) {
    const auto& score = candidate.score;
    tokens.push_back({candidate.text, candidate.chunk, static_cast<int>(candidate.position),
                      model.text(candidate.before), model.text({candidate.token}), score.kld,
                      std::exp(score.log_p_baseline), std::exp(score.log_p_variant), model.text({score.top_baseline}),
                      model.text({score.top_variant})});
  }
  return tokens;
}

}  // namespace fakequant
