// The properties of number formats, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "format/format_facts.h"
#include "report/json_file.h"

namespace fakequant {

// A table of several formats, or a list for a single one.
std::string to_text(const std::vector<FormatFacts>& formats);

// How one format, with its options, rounds values.
std::string examples_text(const Format& format, const std::vector<FormatExample>& examples);

Json formats_json(const std::vector<FormatFacts>& formats, const std::vector<FormatExample>& examples,
                  const Provenance& provenance);

}  // namespace fakequant
