// Generated texts side by side, as JSON and as text.
#pragma once

#include <string>

#include "measure/generation_result.h"
#include "report/json_file.h"
#include "report/side_by_side.h"

namespace fakequant {

Json to_json(const GenerationResult& result, const Provenance& provenance);

// "identical", or how many tokens are equal and which is the first that differs; and the agreement when both models
// read the baseline's text.
std::string verdict(const PromptResult& prompt, const GenerationVariant& variant);

// The probabilities at the first difference: "At token 5 the baseline gives " four" 62.1 % and ...".
std::string first_difference_text(const FirstDifference& difference);

// Whether to show the baseline's text by itself: not if each variant is shown beside it.
bool shows_baseline(const PromptResult& prompt);

// The texts of a variant and the baseline, with the difference marked; empty if they are identical.
std::string texts_side_by_side(const PromptResult& prompt, const GenerationVariant& variant, const Screen& screen);

// How tokens were chosen: "The most likely token was taken each time.".
std::string sampling_text(const SamplerOptions& sampling);

std::string to_text(const GenerationResult& result, const Screen& screen = {});

}  // namespace fakequant
