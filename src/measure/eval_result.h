// The results of `eval`: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/arithmetic.h"
#include "engine/site_counters.h"
#include "measure/overflow.h"
#include "measure/score_quantities.h"
#include "measure/text_windows.h"

namespace fakequant {

// A variant's predictions of one chunk.
struct ChunkResult {
  int text = 0;   // index among the texts
  int chunk = 0;  // of its text
  double ppl_baseline = 0;
  DivergenceFigures figures;  // without quantiles
};

// A prediction that the variant changed a lot.
struct WorstToken {
  int text = 0;
  int chunk = 0;
  int position = 0;     // of the predicted token in its chunk
  std::string context;  // the text before it
  std::string token;    // the token that came
  double kld = 0;
  double p_baseline = 0, p_variant = 0;   // probabilities of the token that came
  std::string top_baseline, top_variant;  // the tokens that each thought most likely
};

// The mean divergence that the least rounding of the same values causes (noise_floor.h), over so many predictions.
struct NoiseFloor {
  double kld = 0;
  std::int64_t predictions = 0;
};

struct VariantResult {
  std::string name;
  std::string recipe;
  std::string other_model;     // the path of the model, where the variant is another model file
  bool is_yardstick = false;   // a common quantization, measured for comparison
  double bits_per_weight = 0;  // as the recipe's formats store the weights
  DivergenceFigures figures;   // over all predictions of all texts
  // The mean of the texts' figures, each text with the same weight; of ppl and ppl_ratio the geometric mean. Only the
  // values of compared figures, without errors.
  DivergenceFigures macro;
  std::vector<ChunkResult> chunks;
  std::vector<WorstToken> worst_tokens;  // by KL divergence, largest first
  std::vector<SiteCounters> sites;       // what its tap counted
  // Where a logit was first NaN or infinite: from there on nothing was measured, and its figures are NaN.
  std::optional<Overflow> overflow;
  std::optional<NoiseFloor> floor;   // where kernels round again what its rules have rounded
  std::vector<double> jittered_kld;  // the mean divergence under each jitter of the embeddings
};

struct TextResult {
  std::string name;
  int chunks = 0;
  std::optional<std::int64_t> tokens_in_text;  // unset where a long text was not read to its end
  std::int64_t tokens_scored = 0;
  Estimate baseline_ppl;
  std::vector<DivergenceFigures> variants;
  TextWindows windows = {};  // of the chunks
};

// Bytes that the process holds at its peak, of all contexts and models together.
struct EvalMemory {
  std::uint64_t weights = 0;          // of the models as their files have them
  std::uint64_t rounded_weights = 0;  // that variants hold beside them
  std::uint64_t cache = 0;            // keys, values and states
  std::uint64_t cache_in_full = 0;    // tokens that rules keep in full, beside the cache
  std::uint64_t compute = 0;          // values of the graph, and logits
  std::uint64_t products = 0;         // inputs that are packed for products in f32 arithmetic
  std::uint64_t program = 0;          // the program itself, with vocabularies

  std::uint64_t total() const {
    return weights + rounded_weights + cache + cache_in_full + compute + products + program;
  }
};

struct EvalForecast {
  int contexts = 0;  // the baseline's among them
  int ctx_size = 0;
  int chunks = 0;  // of all texts, as far as they are known
  std::optional<EvalMemory> memory;
  double seconds_per_chunk = 0;  // roughly

  double seconds() const { return seconds_per_chunk * chunks; }
};

struct EvalResult {
  std::string model;
  std::vector<TextResult> texts;
  bool is_interrupted = false;  // before the end of the texts
  int threads = 0;
  Arithmetic arithmetic = Arithmetic::native;
  int ctx_size = 0;
  int scored_from = 0;  // tokens before the first scored prediction of a chunk
  int batch_size = 0;
  int chunks = 0;
  std::int64_t tokens_evaluated = 0;
  std::int64_t tokens_scored = 0;
  Estimate baseline_ppl;
  double baseline_bits = 0;  // a weight of the baseline, as its file stores them
  double macro_baseline_ppl = 0;
  std::vector<VariantResult> variants;
  std::optional<EvalMemory> memory;  // as it was foretold
};

}  // namespace fakequant
