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

// What each tap did, a row a site.
Table sites_table(const VariantResult& variant);

// Which rounded values are read by more than their rule means, and where nothing was rounded, a line each; empty for
// none.
std::string sites_notes(const VariantResult& variant);

std::string to_text(const EvalResult& result);

}  // namespace fakequant
