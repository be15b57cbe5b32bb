#include "sweep/read_study.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "study/study_totals.h"

namespace fakequant {
namespace {

SweepVariant read_variant(const StudyVariant& stored, const std::map<ChunkPlace, ScoreSums>& scores) {
  SweepVariant variant;
  variant.recipe = stored.recipe;
  variant.site = stored.site;
  variant.format = stored.format;
  variant.layer = stored.layer;
  variant.storage = stored.storage;
  variant.chunks = variant.chunks_found = static_cast<int>(scores.size());
  variant.figures = figures_of(scores);
  if (stored.start) {
    variant.first_layer = stored.start->layer;
    variant.why_whole = stored.start->why_whole;
  }
  return variant;
}

}  // namespace

StoredStudy read_study(const std::string& path) {
  const StudyDatabase study(path, StudyAccess::read);
  const auto subject = study.subject();
  if (!subject) throw Error(fmt::format("{} is empty: there is no study in it", path));
  StoredStudy stored{*subject, {}};
  auto& result = stored.result;
  result.model = subject->model;
  result.study = path;
  result.layers = subject->layers;
  result.ctx_size = subject->ctx_size;
  result.batch_size = subject->batch_size;
  const auto baseline = study.baseline();
  for (const auto& text : subject->texts) result.texts.push_back({text.name, 0});
  for (const auto& [place, sums] : baseline) {
    if (place.text < 0 || static_cast<std::size_t>(place.text) >= result.texts.size()) {
      throw Error(fmt::format("{} is a damaged study: a chunk belongs to none of its texts", path));
    }
    ++result.texts[static_cast<std::size_t>(place.text)].chunks;
  }
  const auto sums = total_of(baseline);
  result.baseline_ppl = perplexity(sums.nll, sums.count);
  for (const auto& [id, variant] : study.variants()) {
    const auto scores = study.scores(id);
    if (!scores.empty()) result.variants.push_back(read_variant(variant, scores));
  }
  result.is_by_layer = std::any_of(result.variants.begin(), result.variants.end(),
                                   [](const SweepVariant& variant) { return variant.layer.has_value(); });
  return stored;
}

}  // namespace fakequant
