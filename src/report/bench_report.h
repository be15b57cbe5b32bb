// Speeds, as JSON and as a table.
#pragma once

#include <string>

#include "measure/bench_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const BenchResult& result, const Provenance& provenance);

Table speed_table(const BenchResult& result);

// Load times, and the memory that the baseline and each variant added to the process.
Table memory_table(const BenchResult& result);

// The interval in words: "costs 0.5 % to 1.2 %", "is faster by 1.2 % to 3.4 %", "not told apart from zero; a cost above
// 0.8 % is ruled out". For equal speeds it reports a difference in 5 of 100 cases.
std::string verdict(const Speed& speed);

// Both of a variant: "NAME: prompt: costs ...; decode: ...".
std::string verdicts(const BenchVariant& variant);

std::string to_text(const BenchResult& result);

}  // namespace fakequant
