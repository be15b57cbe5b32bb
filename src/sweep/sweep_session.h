// The session of a sweep: the model, the chunks of the texts, the variants, and the study that keeps what is measured.
//
// It is opened once: the variants are planned and checked, the texts are read, the study is opened or made, and what it
// has is taken over. From then on it stores what others measure. It knows nothing of the order in which variants are
// measured (measure_variants.h) and of predictions (predicted_sweep.h).
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
  // Throws as plan_sweep, StudyDatabase and TextChunks do. Nothing has been written to the study then.
  explicit SweepSession(const SweepRequest& request);

  const SweepRequest& request() const { return request_; }
  const GgufModel& file() const { return file_; }
  const ChunkPlan& chunk_plan() const { return chunk_plan_; }
  Context& context() { return context_; }  // of the model as it is in the file
  int layers() const { return model_.layers(); }
  const std::vector<TextChunk>& chunks() const { return chunks_; }
  const std::vector<SweptVariant>& variants() const { return variants_; }
  std::vector<SweptVariant>& variants() { return variants_; }

  double passes(const SweptVariant& variant) const { return passes_of_chunk(variant, layers()); }

  // Asks the request whether to stop. From the first yes on the sweep is interrupted.
  bool is_stopped() { return is_interrupted_ = is_interrupted_ || (request_.is_stopped && request_.is_stopped()); }
  bool is_interrupted() const { return is_interrupted_; }

  // Writes the scores of a chunk to the study in one transaction.
  void store(SweptVariant& variant, const ChunkPosition& position, const BaselineSums& baseline,
             const ScoredChunk& scored);

  // Writes that a variant overflowed: nothing more is measured of it.
  void store(SweptVariant& variant, const Overflow& overflow);

  // Writes the predictions of variants of which nothing was measured. One for each variant.
  void store(const std::vector<std::optional<PredictedDivergence>>& predictions);

  void add_note(std::string note) { notes_.push_back(std::move(note)); }
  std::int64_t measured() const { return measured_; }  // chunks of variants that were stored

  // All but the time and the costs.
  SweepResult result() const;

 private:
  void plan_variants();
  void check_rules();
  void read_texts();
  void open_study();
  StudyVariant study_variant(const SweptVariant& variant) const;
  std::vector<StudySite> study_sites(const PlannedVariant& planned) const;
  void resume();
  void update_precision(SweptVariant& variant) const;

  const SweepRequest& request_;
  GgufModel file_;
  Model model_;
  ChunkPlan chunk_plan_;
  Context context_;
  std::vector<SweepText> texts_;
  std::vector<TextChunk> chunks_;
  std::vector<SweptVariant> variants_;
  std::optional<StudyDatabase> study_;  // none for a dry run without a study
  std::vector<std::string> notes_;
  std::int64_t measured_ = 0;
  bool is_interrupted_ = false;
};

}  // namespace fakequant
