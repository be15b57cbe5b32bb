// The difference between the mean KL divergences of two variants that were measured on the same chunks.
//
// The chunks that are hard for one variant are hard for the other, so the difference is known much better than the two
// divergences: its error follows from the differences of the chunks (a paired t test).
#pragma once

#include <optional>

#include "measure/eval_result.h"

namespace fakequant {

struct PairedDivergence {
  double difference = 0;     // mean divergence of the second minus that of the first, nats
  double low = 0, high = 0;  // its 95 % interval
  double confidence = 0;     // that the one with the smaller divergence is the better one: 0.5 to 1
  bool is_first_better = false;
};

// Unset where the two have less than two chunks in common.
std::optional<PairedDivergence> paired_divergence(const VariantResult& first, const VariantResult& second);

}  // namespace fakequant
