// Answers to tasks, as JSON and as text.
#pragma once

#include <string>

#include "measure/choice_result.h"
#include "report/json_file.h"

namespace fakequant {

Json to_json(const ChoiceResult& result, const Provenance& provenance);

std::string to_text(const ChoiceResult& result);

}  // namespace fakequant
