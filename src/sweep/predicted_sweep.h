// A sweep that measures some variants on some chunks, and predicts the others from them.
//
// The budget, in passes of the model, is spent in this order: cheap variants on all chunks, which show how chunks
// differ; the probes, variants whose measurement makes the predictions of the others most certain; two variants that
// are predicted to lose least; variants drawn at random, which show how good the predictions are; and those whose
// prediction matters and is uncertain. The choice follows from the request and from earlier results only: so the same
// command, run again, goes on where it was stopped. This file decides what is measured; measure_variants.h measures it.
#pragma once

#include "sweep/measure_variants.h"
#include "sweep/sweep_result.h"
#include "sweep/sweep_session.h"

namespace fakequant {

// Measures, and stores the predictions in the study. Throws as measure_variants does.
PredictionCost predict_sweep(SweepSession& session, SweepWork& work);

}  // namespace fakequant
