// Predicts the divergence of variants from measurements of other variants on some or all chunks.
//
// The law (divergence_law.h) observes the logarithm of the mean divergence of each measured variant. Chunks differ in
// their sensitivity, and variants may have been measured on different chunks. The divergence d(v, c) of variant v on
// chunk c is therefore modelled as K(v) h(c), and K(v) is estimated with h. The interval of a prediction accounts for
// the difference between the measured chunks and the whole text.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "study/study_database.h"
#include "sweep/divergence_law.h"

namespace fakequant {

struct VariantEvidence {
  VariantTraits traits;                    // log_error is ignored; it follows from `local_error`
  double local_error = 0;                  // 0: the rounding changes nothing, so the divergence is 0
  std::map<ChunkPosition, double> klds{};  // the mean divergence of each measured chunk
};

// Predicts every variant from those with `klds`. `chunks` is the number of chunks of the whole text. If no measured
// divergence is above 0, only variants without a local error have a prediction.
std::vector<std::optional<PredictedDivergence>> predict_divergence(const std::vector<VariantEvidence>& variants,
                                                                   std::size_t chunks);

struct ProbeChoice {
  std::vector<double> costs;    // of each variant, in the unit of the budget
  std::vector<double> weights;  // of each variant's variance in the gain
  std::vector<bool> is_known;   // the variant has been or will be measured
  double budget = 0;            // for all chosen variants
};

// Chooses the variants to measure next, greedily: each has the largest gain per cost (DivergenceLaw::gain) given the
// earlier choices, among the variants that the remaining budget allows.
std::vector<std::size_t> choose_probes(const std::vector<VariantEvidence>& variants, const ProbeChoice& choice);

}  // namespace fakequant
