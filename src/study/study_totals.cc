#include "study/study_totals.h"

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

}  // namespace fakequant
