#include "sweep/sweep.h"

#include <chrono>

#include "sweep/measure_variants.h"
#include "sweep/noise_floors.h"
#include "sweep/predicted_sweep.h"
#include "sweep/sweep_session.h"

namespace fakequant {

SweepResult sweep(const SweepRequest& request) {
  const auto begin = std::chrono::steady_clock::now();
  SweepSession session(request);
  SweepWork work(session);
  std::optional<PredictionCost> cost;
  if (!request.dry_run && request.predicts) {
    cost = predict_sweep(session, work);
  } else {
    const IsWanted all = [](std::size_t, const ChunkPosition&) { return true; };
    plan_work(session, all, work);
    if (!request.dry_run) measure_variants(session, all, work);
  }
  if (!request.dry_run) session.end_run();
  auto result = session.result();
  if (session.measured() > 0) measure_noise_floors(session, result);
  result.passes = work.planned();
  result.prediction_cost = cost;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace fakequant
