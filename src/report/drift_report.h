// Where an error enters, grows and shrinks, as JSON and as tables.
#pragma once

#include <string>

#include "measure/drift_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const DriftResult& result, const Provenance& provenance);

// A row for each layer: the relative error of its output and of what its parts add, and the growth.
Table layers_table(const DriftResult& result);

// At most `max_rows` nodes of a role, in the graph's order: those with the largest error for DriftRole::entered, and
// with the largest change for the others.
Table nodes_table(const DriftResult& result, DriftRole role, std::size_t max_rows);

// A line each for nodes that could not be compared and for values that are not finite; empty for none.
std::string drift_notes(const DriftResult& result);

std::string to_text(const DriftResult& result);

// "entered"
std::string role_name(DriftRole role);

}  // namespace fakequant
