// The census as JSON, as a table, and in words.
#pragma once

#include <string>
#include <vector>

#include "report/json_file.h"
#include "report/table.h"
#include "weights/census.h"

namespace fakequant {

Json to_json(const Census& census, const Provenance& provenance);

// A row a tensor: type, shape, low half zero, mantissa bits, formats that hold it, range.
Table census_table(const Census& census);

// A row a class of tensors, its layers together.
Table folded_census_table(const Census& census);

// What the census found, in sentences: which of the F32 tensors were BF16 already, which were not, and which tensors
// are stored wider than they need to be.
std::vector<std::string> census_findings(const Census& census);

enum class Layers { folded, all };

// A table and the findings, for the terminal.
std::string to_text(const Census& census, Layers layers);

}  // namespace fakequant
