// A sweep, as JSON and as tables; and what merging studies made.
#pragma once

#include <string>

#include "report/json_file.h"
#include "report/table.h"
#include "study/merge_studies.h"
#include "sweep/sweep_result.h"

namespace fakequant {

Json to_json(const SweepResult& result, const Provenance& provenance);

// The variants of each site and format, those that lose most first.
Table sweep_table(const SweepResult& result);

// Of a site: the mean divergence in each layer and format, with a mark that says how it compares with the others, on a
// logarithmic scale. Empty where it was not measured by layer.
Table heat_table(const SweepResult& result, const std::string& site);

std::string to_text(const SweepResult& result);

Json to_json(const MergeResult& result, const Provenance& provenance);
std::string to_text(const MergeResult& result);

}  // namespace fakequant
