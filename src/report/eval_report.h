// Perplexity and divergence, as JSON and as tables.
#pragma once

#include <string>

#include "measure/eval_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const EvalResult& result, const Provenance& provenance);

// The baseline and each variant: perplexity, its ratio, divergence, agreement.
Table perplexity_table(const EvalResult& result);

// The texts and how many chunks of them, in a few words; says so where it was interrupted.
std::string texts_in_words(const EvalResult& result);

// Each text for itself, and their mean; empty where there is one text only.
Table texts_table(const EvalResult& result);

// How the divergence and the change of the token's probability are spread over the predictions.
Table distribution_table(const DivergenceFigures& figures);

// The figures that no table has.
std::string figures_in_words(const DivergenceFigures& figures);

// The predictions that differ most, at most so many, with the text before them.
Table worst_tokens_table(const VariantResult& variant, std::size_t most);

// What each tap did, a row a site.
Table sites_table(const VariantResult& variant);

// Which rounded values are read by more than their rule means, and where nothing was rounded, a line each; empty for
// none.
std::string sites_notes(const VariantResult& variant);

std::string to_text(const EvalResult& result);

}  // namespace fakequant
