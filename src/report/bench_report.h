// Speeds, as JSON and as a table.
#pragma once

#include <string>

#include "measure/bench_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const BenchResult& result, const Provenance& provenance);

Table speed_table(const BenchResult& result);

// What an interval says: "a cost of 1.2 % to 3.4 %", "not told apart from zero, a cost above 0.8 % is ruled out".
std::string verdict(const Speed& speed);

std::string to_text(const BenchResult& result);

}  // namespace fakequant
