// Perplexity and divergence, as JSON and as tables.
#pragma once

#include <string>

#include "measure/eval_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const EvalResult& result, const Provenance& provenance);

// One line: what an evaluation will take.
std::string to_text(const EvalForecast& forecast);

// The baseline and each variant by the quantities that variants are compared by.
Table perplexity_table(const EvalResult& result);

// The names of the texts and the numbers of chunks and predictions; begins with a note where it was interrupted.
std::string texts_in_words(const EvalResult& result);

// The same for each text, and the mean over the texts; empty for a single text.
Table texts_table(const EvalResult& result);

// Mean and quantiles over the predictions, a row for each quantity that has them.
Table distribution_table(const DivergenceFigures& figures);

// The figures that are in no table, as sentences.
std::string figures_in_words(const DivergenceFigures& figures);

Json worst_token_json(const WorstToken& token, const std::string& text);

// The predictions with the largest KL divergence, and the text before them.
Table worst_tokens_table(const std::vector<WorstToken>& tokens, std::size_t max_rows);

// What was rounded, a row for each site.
Table sites_table(const VariantResult& variant, std::size_t max_rows);

// Notes, a line each: rounded values with readers that the rule does not name, and sites where nothing was rounded.
std::string sites_notes(const VariantResult& variant);

// The difference of each variant from the one with the least divergence; empty for a single variant.
Table comparisons_table(const EvalResult& result);

enum class EvalDetails { brief, all };

// brief: of several variants the tables that compare them, of one also its details, but not a long list of sites.
std::string to_text(const EvalResult& result, EvalDetails details = EvalDetails::brief);

}  // namespace fakequant
