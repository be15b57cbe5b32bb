// Perplexity and KL divergence of variants against the baseline on a text, chunk by chunk, all of them together.
//
// The definition is llama-perplexity's: the text's tokens in chunks of ctx_size, the rest dropped; each chunk's first
// token replaced by BOS where the model wants one; scored are the predictions of a chunk's second half. One newline at
// the text's end is dropped.
#pragma once

#include <string>
#include <vector>

#include "measure/eval_result.h"
#include "measure/variant.h"

namespace fakequant {

struct EvalOptions {
  int ctx_size = 0;  // 0: min(512, what the model was trained for)
  int chunks = 0;    // 0: all that the text has
  int threads = 1;
  DeviceOptions devices;
};

// `text_name` is the text's file, for messages and the result. Throws an Error when the text has less than two chunks,
// when a model cannot be run, and when a logit is not a number.
EvalResult evaluate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                    const std::string& text, const std::string& text_name, const EvalOptions& options,
                    const Progress& progress);

}  // namespace fakequant
