// What the number formats can hold, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "format/format_facts.h"
#include "report/json_file.h"

namespace fakequant {

// Of several formats as a table, of one as a list.
std::string to_text(const std::vector<FormatFacts>& formats);

// What one format, with its options, makes of values.
std::string examples_text(const Format& format, const std::vector<FormatExample>& examples);

Json formats_json(const std::vector<FormatFacts>& formats, const std::vector<FormatExample>& examples,
                  const Provenance& provenance);

}  // namespace fakequant
