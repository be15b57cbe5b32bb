// The noise floors of a sweep in native arithmetic: what the least rounding costs at each of its sites.
#pragma once

#include "sweep/sweep_result.h"
#include "sweep/sweep_session.h"

namespace fakequant {

// Measures the floor (measure/noise_floor.h) of each site and layer whose rounded values the kernels round again, on
// the first two chunks, and gives it to all variants there. `result` is the session's own. Does nothing in f32
// arithmetic.
void measure_noise_floors(SweepSession& session, SweepResult& result);

}  // namespace fakequant
