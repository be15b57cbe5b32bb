// Reports a plan as JSON, tables and text.
#pragma once

#include <string>
#include <vector>

#include "plan/plan_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const PlanResult& result, const Provenance& provenance);

// The shown points of the front and the uniform plans, fewest bits first.
Table front_table(const KindPlan& plan);

// One row for each site and format, with its layers.
Table assignment_table(const PlanResult& result);

// "a:ffn_input in layers 0-3 can be held in e4m3 ..."
std::string to_text(const PlanSuggestion& suggestion);

// `recipe_file` is the path of the plan's recipe; empty if none was written.
std::string to_text(const PlanResult& result, const std::string& recipe_file = {});

}  // namespace fakequant
