// Studies as the C++ interface shows them.
#include <fakequant/study.hpp>

#include "api/boundary.h"
#include "api/study_of.h"
#include "sweep/read_study.h"

namespace fakequant::v0 {

Study study_of(const SweepResult& result) {
  Study study;
  study.model = result.model;
  for (const auto& text : result.texts) study.texts.push_back(text.name);
  study.layers = result.layers;
  study.ctx_size = result.ctx_size;
  study.is_interrupted = result.is_interrupted;
  study.baseline_ppl = result.baseline_ppl;
  study.notes = result.notes;
  for (const auto& measured : result.variants) {
    StudyVariant variant;
    variant.rule = measured.recipe;
    variant.site = measured.site;
    variant.format = measured.format;
    variant.layer = measured.layer;
    variant.bits = measured.bits;
    variant.chunks = measured.chunks;
    variant.figures = measured.figures;
    variant.has_overflow = measured.overflow.has_value();
    if (measured.predicted) variant.predicted_kld = measured.predicted->kld;
    study.variants.push_back(std::move(variant));
  }
  return study;
}

Study read_study(const std::string& path) {
  return at_boundary([&] { return study_of(fakequant::read_study(path).result); });
}

}  // namespace fakequant::v0
