// Where an error enters, grows and dies, as JSON and as tables.
#pragma once

#include <string>

#include "measure/drift_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const DriftResult& result, const Provenance& provenance);

// A row a layer: the relative error of what leaves it and of what its parts add, and how it grew.
Table layers_table(const DriftResult& result);

// The nodes of a role, at most so many: those that entered by the largest error, those that grew or died by how much.
// They stand in the graph's order.
Table nodes_table(const DriftResult& result, DriftRole role, std::size_t most);

// What could not be compared, and values that are not finite, a line each; empty for none.
std::string drift_notes(const DriftResult& result);

std::string to_text(const DriftResult& result);

// "entered"
std::string role_name(DriftRole role);

}  // namespace fakequant
