// What variants lose that were not measured, from those that were, on some of the chunks or all.
//
// Each measured variant tells the law (divergence_law.h) the logarithm of its mean divergence. Chunks differ in how
// much they mind any error, and variants may have been measured on different ones: so a divergence d(v, c) is taken as
// K(v) h(c), and what each variant was measured on is put right by h. How far the chunks that were seen may lie from
// the whole text is in the interval.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "study/study_database.h"
#include "sweep/divergence_law.h"

namespace fakequant {

struct VariantEvidence {
  VariantTraits traits;                    // their log_error is set here
  double local_error = 0;                  // 0: the rounding changes nothing, and so costs nothing
  std::map<ChunkPosition, double> klds{};  // the mean divergence of each chunk that was measured
};

// Of every variant, from those with `klds`. `chunks`: of the whole text. Where none loses anything, there is nothing to
// tell of those that may.
std::vector<std::optional<PredictedDivergence>> predict_divergence(const std::vector<VariantEvidence>& variants,
                                                                   std::size_t chunks);

struct ProbeChoice {
  std::vector<double> costs;    // of each variant
  std::vector<double> weights;  // how much it matters that it is known
  std::vector<bool> is_known;   // it has been or will be measured
  double budget = 0;            // for what is chosen, in all
};

// The variants to measure next: the one whose measurement makes all of them surer by the most for what it costs, then
// the next as if that were known, while the budget lasts.
std::vector<std::size_t> choose_probes(const std::vector<VariantEvidence>& variants, const ProbeChoice& choice);

}  // namespace fakequant
