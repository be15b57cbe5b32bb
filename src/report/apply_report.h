// What `apply` did, as JSON and as a table.
#pragma once

#include <string>
#include <vector>

#include "report/json_file.h"
#include "report/table.h"
#include "weights/apply.h"

namespace fakequant {

Json to_json(const ApplyResult& result, const Provenance& provenance);

// A row a rounded tensor: how many values changed and by how much.
// The tensors of the same kind in all layers as one, with their figures together.
ApplyResult fold_layers(const ApplyResult& result);

Table rounding_table(const ApplyResult& result);

// The rounded tensors as a JSON array.
Json rounding_json(const ApplyResult& result);

// "1,536 of 1,536 values changed (100 %)", or that nothing did.
std::string rounding_summary(const ApplyResult& result);

// That weights stored wider than they were are multiplied by other kernels; empty where none is.
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

// Tables of them, each after an empty line and a heading.
std::string roundings_text(const std::vector<NamedRounding>& roundings);

}  // namespace fakequant
