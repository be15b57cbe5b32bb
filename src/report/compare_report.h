// A comparison of two files, as JSON and as a table.
#pragma once

#include <string>

#include "report/json_file.h"
#include "report/table.h"
#include "weights/compare.h"

namespace fakequant {

Json to_json(const Comparison& comparison, const Provenance& provenance);

// A row for each tensor that differs, those with the largest relative difference first.
Table comparison_table(const Comparison& comparison);

std::string to_text(const Comparison& comparison);

}  // namespace fakequant
