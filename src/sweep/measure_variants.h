// Measures the variants of a session on the chunks that each of them still needs.
//
// Works in blocks of chunks: evaluates the baseline on a block, keeps its results in memory, and measures one variant
// after another against them. A variant drops out once its divergence is precise enough. The caller decides which
// measurements are wanted.
#pragma once

#include <functional>

#include "sweep/sweep_session.h"

namespace fakequant {

// Counts the work of a sweep, in passes of the whole model over a chunk, and reports progress.
class SweepWork {
 public:
  explicit SweepWork(SweepSession& session) : session_(session) {}

  void plan(double passes) { planned_ += passes; }
  void add_done(double passes) { done_ += passes; }
  void show_done(const SweptVariant& variant, double passes);

  double planned() const { return planned_; }
  double done() const { return done_; }

 private:
  SweepSession& session_;
  double planned_ = 0, done_ = 0;
};

// Whether a variant, by its index, should be measured on a chunk.
using IsWanted = std::function<bool(std::size_t variant, const ChunkPosition& position)>;

// Whether the chunk is wanted and not measured yet, and the variant neither precise enough nor
// overflowed.
bool needs_chunk(const SweptVariant& variant, std::size_t index, const ChunkPosition& position, const IsWanted& wanted);

// Adds the work of measure_variants() to the planned work.
void plan_work(const SweepSession& session, const IsWanted& wanted, SweepWork& work);

// Measures until all wanted chunks are measured or the session is stopped. Throws what evaluate() throws; the study
// keeps all earlier measurements.
void measure_variants(SweepSession& session, const IsWanted& wanted, SweepWork& work);

}  // namespace fakequant
