// The session of a sweep: the model, the chunks of the texts, the variants, and the study that stores the results.
//
// The constructor plans and checks the variants, reads the texts, opens or creates the study, and reads the results it
// already has. Afterwards the session stores new results. measure_variants.h decides the order of measurements, and
// predicted_sweep.h makes predictions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/context.h"
#include "gguf/gguf_model.h"
#include "measure/kept_baseline.h"
#include "study/study_database.h"
#include "sweep/sweep.h"
#include "sweep/swept_variant.h"

namespace fakequant {

// A chunk of one of the texts.
struct TextChunk {
  ChunkPosition position;
  std::vector<Token> tokens;
};

class SweepSession {
 public:
  // Throws what plan_sweep(), StudyDatabase and TextChunks throw. In that case the study is unchanged.
  explicit SweepSession(const SweepRequest& request);

  const SweepRequest& request() const { return request_; }
  const GgufModel& file() const { return file_; }
  const ChunkPlan& chunk_plan() const { return chunk_plan_; }
  Context& context() { return context_; }                     // of the untouched model
  Context context_with(const ChangedWeights& weights) const;  // one at a time, which computes by turns with that
  int layers() const { return model_.layers(); }
  const std::vector<TextChunk>& chunks() const { return chunks_; }
  const std::vector<SweptVariant>& variants() const { return variants_; }
  std::vector<SweptVariant>& variants() { return variants_; }

  double passes(const SweptVariant& variant) const { return passes_of_chunk(variant, layers()); }

  // Calls the request's is_stopped(). Once that returned true, the sweep stays interrupted.
  bool is_stopped() { return is_interrupted_ = is_interrupted_ || (request_.is_stopped && request_.is_stopped()); }
  bool is_interrupted() const { return is_interrupted_; }

  // Writes the scores of a chunk to the study in one transaction.
  void store(SweptVariant& variant, const ChunkPosition& position, const BaselineSums& baseline,
             const ScoredChunk& scored);

  // Writes that a variant overflowed. It is not measured any further.
  void store(SweptVariant& variant, const Overflow& overflow);

  // Writes the predictions of variants without any measured chunk. `predictions` has one entry for each variant.
  void store(const std::vector<std::optional<PredictedDivergence>>& predictions);

  // Writes how far the sweep has come, in passes of the model, but not more often than once a second.
  void show_progress(double done, double passes);

  // Writes that the sweep has ended.
  void end_run();

  void add_note(std::string note) { notes_.push_back(std::move(note)); }
  std::int64_t measured() const { return measured_; }  // chunks of variants, stored in this session

  // The result, without its duration and prediction cost.
  SweepResult result() const;

 private:
  void plan_variants();
  void check_rules();
  void read_texts();
  void open_study();
  bool is_stored_otherwise(const SweptVariant& variant) const;
  StudyVariant study_variant(const SweptVariant& variant) const;
  int bits_of_value(const Site& activation) const;
  std::vector<StudySite> study_sites(const PlannedVariant& planned) const;
  void resume();
  void update_precision(SweptVariant& variant) const;
  void write_run();

  const SweepRequest& request_;
  GgufModel file_;
  Model model_;
  ChunkPlan chunk_plan_;
  std::shared_ptr<SharedContext> shared_;
  Context context_;
  std::vector<SweepText> texts_;
  std::vector<TextChunk> chunks_;
  std::vector<SweptVariant> variants_;
  std::optional<StudyDatabase> study_;  // unset for a dry run without a study
  StudyRun run_;
  std::int64_t run_id_ = 0;
  std::vector<std::string> notes_;
  std::int64_t measured_ = 0;
  bool is_interrupted_ = false;
};

}  // namespace fakequant
