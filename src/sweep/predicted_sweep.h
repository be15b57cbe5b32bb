// A sweep that measures some variants on some chunks and predicts the other variants.
//
// The budget, in passes of the model, pays in this order for:
//
// 1. cheap variants on all chunks, which show how chunks differ
// 2. probes: the variants whose measurement reduces the variance of the predictions most
// 3. the two variants with the smallest predicted divergence
// 4. variants drawn at random, which show the quality of the predictions
// 5. variants whose prediction is important and uncertain
//
// The choice is a function of the request and of earlier results. So the same command, run again, continues where it
// stopped.
#pragma once

#include "sweep/measure_variants.h"
#include "sweep/sweep_result.h"
#include "sweep/sweep_session.h"

namespace fakequant {

// Measures, and stores the predictions in the study. Throws what measure_variants() throws.
PredictionCost predict_sweep(SweepSession& session, SweepWork& work);

}  // namespace fakequant
