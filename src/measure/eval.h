// Perplexity and KL divergence of variants against the baseline on texts, chunk by chunk, all of them together.
//
// The definition is llama-perplexity's, see text_chunks.h. Nothing is kept of a prediction but its score: a slice of a
// chunk is evaluated by the baseline and then by each variant, and their logits compared at once.
#pragma once

#include <fakequant/eval.hpp>
#include <functional>
#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "measure/eval_result.h"
#include "measure/text.h"
#include "measure/variant.h"

namespace fakequant {

struct EvalOptions {
  int ctx_size = 0;  // 0: min(512, what the model was trained for)
  int chunks = 0;    // of each text, at most; 0: all that it has
  int kv_from = 0;   // tokens before the first prediction that is scored; 0: half of the chunk
  int jitters = 0;   // seeds of a jitter of the embeddings under which each variant is measured as well
  ComputeOptions compute;
  std::function<void(const EvalProgress&)> progress;  // told after each chunk; may be empty
  // Told before contexts are opened what the evaluation will take; empty where nobody asks.
  std::function<void(const EvalForecast&)> foretold;
  std::function<bool()> is_stopped;  // asked now and then: whether to end with what there is; may be empty
};

// Throws an Error if a text has less than two chunks, a model cannot be run, or a logit of the baseline is not a
// number. A variant whose logits overflow has no figures; the others are measured all the same. When it is stopped
// before a chunk has been measured, the result has no chunks and no figures.
EvalResult evaluate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                    const std::vector<Text>& texts, const EvalOptions& options);

// What evaluate() of the same would take. Weights that rules round are counted where a variant has them.
EvalForecast foretell(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                      const std::vector<Text>& texts, const EvalOptions& options);

// The same evaluation with models that stay loaded. They lie on their own devices, whatever the options say.
EvalResult evaluate(LoadedModels& models, const std::vector<Variant>& variants, const std::vector<Text>& texts,
                    const EvalOptions& options);

}  // namespace fakequant
