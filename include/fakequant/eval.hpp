// What an evaluation takes and gives: variants of a model against the model, on texts. docs/measuring.md says how it is
// measured; figures are those of `fakequant eval`, to the bit.
#pragma once

#include <fakequant/export.h>

#include <cstdint>
#include <fakequant/figures.hpp>
#include <fakequant/recipe.hpp>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace fakequant {

// How far an evaluation has come.
struct EvalProgress {
  double done = 0;               // 0..1
  int chunks = 0;                // that have been measured
  double baseline_ppl = 0;       // over these; 0 without variants
  std::vector<double> variants;  // their perplexities
};

}  // namespace fakequant

namespace fakequant::FAKEQUANT_V0 {

// How rounded values of quantized weights are stored. With neither, f32 arithmetic computes with them as they are, and
// in native arithmetic a rule for a quantized tensor is an error.
struct WeightStorage {
  std::string promote = {};  // to this type: f32, f16 or bf16
  bool requantize = false;   // in their own type again, by ggml's code
};

// A text to evaluate: a file, or a string in memory.
struct Text {
  std::string name;                         // for results and messages; of a file, its path
  std::optional<std::string> content = {};  // none: that of the file `name`
};

// What is measured against the baseline.
struct Variant {
  std::string name;
  std::vector<std::string> rules = {};  // as in Recipe
  RecipeSettings settings = {};
  std::string model = {};  // instead of rules: another GGUF file with the same vocabulary, measured as it is
};

// What is measured, and how long.
struct EvalOptions {
  int ctx_size = 0;    // tokens of a chunk; 0: min(512, what the model was trained for)
  int batch_size = 0;  // tokens evaluated together, at most; 0: min(512, ctx_size)
  int chunks = 0;      // of each text, at most; 0: all
  int kv_from = 0;     // tokens before the first prediction that is scored; 0: half of a chunk
  int jitters = 0;     // jitters of the embeddings under which each variant is measured as well
  WeightStorage storage = {};
  std::function<void(const EvalProgress&)> progress = {};  // called after each chunk, by the calling thread
  std::stop_token stop = {};                               // ends with what there is
};

// What a rounding did to some values.
struct RoundingCounts {
  std::int64_t elements = 0;
  std::int64_t changed = 0;    // values whose bits changed
  std::int64_t saturated = 0;  // values beyond the largest code
  double max_abs = 0;          // the largest change
  double mean_abs = 0;
  double sqnr_db = 0;  // signal to quantization noise ratio; infinity where nothing changed
};

// An activation that a rule of a variant rounds.
struct RoundedSite {
  std::string site;  // "ffn_norm-3"
  int layer = -1;    // -1 for what belongs to no layer
  std::string format;
  std::int64_t evaluations = 0;  // of the graph, in which the values were rounded
  RoundingCounts counts;         // over all of them
};

// A weight that a rule of a variant rounds.
struct RoundedTensor {
  std::string name;  // "blk.0.ffn_down.weight"
  std::string type, stored_as;
  std::string format;
  RoundingCounts counts;
};

// What was measured of a variant.
struct EvaluatedVariant {
  std::string name;
  std::string rules;           // in one line
  double bits_per_weight = 0;  // as the formats of its rules store the weights
  DivergenceFigures figures;   // over all predictions; NaN after an overflow
  bool has_overflow = false;   // a logit was NaN or infinite
  std::string overflow_site;   // the first activation that was, after its rounding; empty if there is none
  std::vector<double> jittered_kld;
  std::vector<RoundedTensor> weights;
  std::vector<RoundedSite> activations;
};

// What was measured on one text.
struct EvaluatedText {
  std::string name;
  int chunks = 0;
  std::int64_t tokens_scored = 0;
  Estimate baseline_ppl;
  std::vector<DivergenceFigures> variants;  // in their order
};

// The result of an evaluation.
struct Evaluation {
  bool is_interrupted = false;  // before the end of the texts; the figures are over the chunks until then
  int ctx_size = 0, batch_size = 0;
  int chunks = 0;  // 0: it was stopped before there were figures; they are NaN
  std::int64_t tokens_evaluated = 0, tokens_scored = 0;
  Estimate baseline_ppl;
  double baseline_bits = 0;  // of a weight in the model's file
  std::vector<EvaluatedVariant> variants;
  std::vector<EvaluatedText> texts;
};

}  // namespace fakequant::FAKEQUANT_V0
