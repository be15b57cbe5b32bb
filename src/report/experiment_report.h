// The report of an experiment, in Markdown, and its environment as JSON.
#pragma once

#include <string>

#include "report/json_file.h"
#include "experiment/experiment_result.h"

namespace fakequant {

Json to_json(const Environment& environment, const std::string& model, const Provenance& provenance);

// Everything that was found, for a reader who did not run it.
std::string to_markdown(const ExperimentResult& result, const Provenance& provenance);

}  // namespace fakequant
