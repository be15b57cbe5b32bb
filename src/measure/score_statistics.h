// From the scores of single predictions to perplexity and divergence, with their errors.
//
// The estimators are llama-perplexity's (tools/perplexity/perplexity.cpp of llama.cpp, kl_divergence()), in double.
#pragma once

#include <span>
#include <vector>

#include "measure/eval_result.h"
#include "measure/token_score.h"

namespace fakequant {

// exp of the mean of -log_p, and its standard error by the delta method.
Estimate perplexity(std::span<const double> log_p);

// The value below which a fraction of the sorted values lies, linear between them.
double quantile(std::span<const double> sorted, double fraction);

// Fills in all figures of a variant but its name, chunks, worst tokens and sites.
void summarize(std::span<const TokenScore> scores, VariantResult& result);

}  // namespace fakequant
