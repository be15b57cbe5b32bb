// Generated texts side by side, as JSON and as text.
#pragma once

#include <string>

#include "measure/generation_result.h"
#include "report/json_file.h"

namespace fakequant {

Json to_json(const GenerationResult& result, const Provenance& provenance);

// "identical", or where the first token differs and how much agrees.
std::string verdict(const GenerationVariant& variant);

std::string to_text(const GenerationResult& result);

}  // namespace fakequant
