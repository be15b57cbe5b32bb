// The rounding of weights, as JSON and as a table.
#pragma once

#include <string>
#include <vector>

#include "engine/arithmetic.h"
#include "report/json_file.h"
#include "report/table.h"
#include "weights/apply.h"

namespace fakequant {

Json to_json(const ApplyResult& result, const Provenance& provenance);

// The result with one entry for the tensors of the same kind in all layers, with their figures together.
ApplyResult fold_layers(const ApplyResult& result);

// A row for each rounded tensor: how many values changed and by how much.
Table rounding_table(const ApplyResult& result);

// The rounded tensors as a JSON array.
Json rounding_json(const ApplyResult& result);

// "1,536 of 1,536 values changed (100 %)", or that nothing changed.
std::string rounding_summary(const ApplyResult& result);

// A warning that weights stored wider than before are multiplied by other kernels; empty if there are none.
std::string storage_note(const ApplyResult& result);

std::string to_text(const ApplyResult& result);

// The rounding of a variant's weights.
struct NamedRounding {
  std::string variant;
  ApplyResult rounding;
};

// Adds the list "weights" to a command's JSON: the rounded tensors of all variants, each with its variant's name. There
// is no list without variants.
void add_roundings(Json& json, const std::vector<NamedRounding>& roundings);

// Tables of them, each after an empty line and a heading. With the warning of storage_note() in native arithmetic,
// which it is about.
std::string roundings_text(const std::vector<NamedRounding>& roundings, Arithmetic arithmetic);

}  // namespace fakequant
