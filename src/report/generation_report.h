// Generated texts side by side, as JSON and as text.
#pragma once

#include <string>

#include "measure/generation_result.h"
#include "report/json_file.h"
#include "report/side_by_side.h"

namespace fakequant {

Json to_json(const GenerationResult& result, const Provenance& provenance);

// "identical", or how many tokens are alike and where the first differs, and how much agrees when both read the
// baseline's text.
std::string verdict(const PromptResult& prompt, const GenerationVariant& variant);

// What each model thought where the texts part: "At token 5 the baseline gives " four" 62.1 % and ...".
std::string parting_text(const PartingPlace& place);

// Whether the baseline's text is worth showing by itself: not where each variant shows it beside its own.
bool shows_baseline(const PromptResult& prompt);

// A variant's text beside the baseline's, with the difference marked; nothing where they are identical.
std::string texts_side_by_side(const PromptResult& prompt, const GenerationVariant& variant, const Screen& screen);

// How tokens were picked: "The most likely token was taken each time.".
std::string sampling_text(const SamplerOptions& sampling);

std::string to_text(const GenerationResult& result, const Screen& screen = {});

}  // namespace fakequant
