#include "study/study_totals.h"

#include <algorithm>

namespace fakequant {
namespace {

template <typename Sums, typename Chunks, typename Get>
Sums total_of_texts(const Chunks& chunks, const Get& get) {
  Sums total;
  for (auto chunk = chunks.begin(); chunk != chunks.end();) {
    Sums text;
    const int number = chunk->first.text;
    for (; chunk != chunks.end() && chunk->first.text == number; ++chunk) text.add(get(chunk->second));
    total.add(text);
  }
  return total;
}

}  // namespace

ScoreSums total_of(const std::map<ChunkPlace, StudyScore>& scores) {
  return total_of_texts<ScoreSums>(scores, [](const StudyScore& score) -> const ScoreSums& { return score.sums; });
}

BaselineSums total_of(const std::map<ChunkPlace, BaselineSums>& chunks) {
  return total_of_texts<BaselineSums>(chunks, [](const BaselineSums& own) -> const BaselineSums& { return own; });
}

DivergenceFigures figures_of(const std::map<ChunkPlace, StudyScore>& scores) {
  auto figures = figures_of(total_of(scores));
  figures.kld_at.max = 0;
  for (const auto& [place, score] : scores) figures.kld_at.max = std::max(figures.kld_at.max, score.kld_max);
  return figures;
}

}  // namespace fakequant
