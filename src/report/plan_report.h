// A plan, as JSON and in tables and words.
#pragma once

#include <string>
#include <vector>

#include "plan/plan_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const PlanResult& result, const Provenance& provenance);

// Some of the front, and beside it what one format for all takes and loses, fewest bits first.
Table front_table(const KindPlan& plan);

// What gets which format, layers of a site together.
Table assignment_table(const PlanResult& result);

// "a:ffn_input in layers 0-3 can be held in e4m3 ..."
std::string to_text(const PlanSuggestion& suggestion);

// `recipe_file`: the path to which the plan was written as a recipe; empty for none.
std::string to_text(const PlanResult& result, const std::string& recipe_file = {});

}  // namespace fakequant
