// What is said where a text is evaluated that files of calibrate were made with.
#pragma once

#include <string>
#include <vector>

#include "json.h"
#include "measure/text_overlap.h"
#include "report/json_file.h"

namespace fakequant {

// A list with an entry for each.
Json to_json(const std::vector<TextOverlap>& overlaps);

// A warning in one line, about the largest; empty where none is worth one.
std::string overlap_line(const std::vector<TextOverlap>& overlaps);

}  // namespace fakequant
