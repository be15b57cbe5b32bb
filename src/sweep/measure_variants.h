// Measures the variants of a session on the chunks that each of them still needs.
//
// Chunks are taken in blocks. What the baseline computes for a block is kept in memory; then one variant after another
// is measured against it. A variant drops out once its divergence is precise enough. This file knows the session and
// what is wanted of it, and nothing of why it is wanted.
#pragma once

#include <functional>

#include "sweep/sweep_session.h"

namespace fakequant {

// The work of a sweep, in passes of the whole model over a chunk, and who is told of it.
class SweepWork {
 public:
  explicit SweepWork(const SweepSession& session) : session_(session) {}

  void plan(double passes) { planned_ += passes; }
  void add_done(double passes) { done_ += passes; }
  void show_done(const SweptVariant& variant, double passes);

  double planned() const { return planned_; }
  double done() const { return done_; }

 private:
  const SweepSession& session_;
  double planned_ = 0, done_ = 0;
};

// Whether a variant, by its index, should be measured on a chunk.
using IsWanted = std::function<bool(std::size_t variant, const ChunkPosition& position)>;

// Whether it is wanted there, is not known and not precise enough, and has not overflowed.
bool needs_chunk(const SweptVariant& variant, std::size_t index, const ChunkPosition& position, const IsWanted& wanted);

// Adds what measure_variants would do to the planned work.
void plan_work(const SweepSession& session, const IsWanted& wanted, SweepWork& work);

// Measures until all is known that is wanted, or the session is stopped. Throws as evaluate() does; what was measured
// before is in the study.
void measure_variants(SweepSession& session, const IsWanted& wanted, SweepWork& work);

}  // namespace fakequant
