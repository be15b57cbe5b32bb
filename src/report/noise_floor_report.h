// The noise floor of native arithmetic beside a divergence, in JSON and in words.
#pragma once

#include <optional>

#include "measure/eval_result.h"
#include "report/json_file.h"

namespace fakequant {

// Null where there is no floor.
inline Json noise_floor_json(const std::optional<NoiseFloor>& floor) {
  if (!floor) return nullptr;
  return {{"kld", floor->kld}, {"predictions", floor->predictions}};
}

// Whether a divergence is so near the floor that it says little of the format.
inline bool is_below_noise(double kld, const NoiseFloor& floor) { return kld <= 2 * floor.kld; }

}  // namespace fakequant
