#include "study/study_totals.h"

namespace fakequant {
namespace {

template <typename Sums>
Sums total_of_texts(const std::map<ChunkPosition, Sums>& chunks) {
  Sums total;
  for (auto chunk = chunks.begin(); chunk != chunks.end();) {
    Sums text;
    const int number = chunk->first.text;
    for (; chunk != chunks.end() && chunk->first.text == number; ++chunk) text.add(chunk->second);
    total.add(text);
  }
  return total;
}

}  // namespace

ScoreSums total_of(const std::map<ChunkPosition, ScoreSums>& scores) { return total_of_texts(scores); }

BaselineSums total_of(const std::map<ChunkPosition, BaselineSums>& chunks) { return total_of_texts(chunks); }

DivergenceFigures figures_of(const std::map<ChunkPosition, ScoreSums>& scores) { return figures_of(total_of(scores)); }

}  // namespace fakequant
