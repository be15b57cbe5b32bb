// The census as JSON, as a table, and in words.
#pragma once

#include <string>
#include <vector>

#include "report/json_file.h"
#include "report/table.h"
#include "weights/census.h"

namespace fakequant {

Json to_json(const Census& census, const Provenance& provenance);

// A row for each tensor: type, shape, low half zero, mantissa bits, formats that hold it, range.
Table census_table(const Census& census);

// A row for each class of tensors, with its layers together.
Table folded_census_table(const Census& census);

// The findings in sentences: which F32 tensors hold BF16 values only, which do not, and which tensors could be stored
// in a narrower format without loss.
std::vector<std::string> census_findings(const Census& census);

enum class Layers { folded, all };

// A table and the findings, for the terminal.
std::string to_text(const Census& census, Layers layers);

}  // namespace fakequant
