// The names of formats: each is short for a combination of parts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/format.h"

namespace fakequant {

// The names to list. Names with a number or a file in them are listed once: "eXmY",
// "mantissaN", "int2..int16", "lookup:FILE".
std::vector<std::string> format_names();

// A name for each that format_names() lists; for those with a number in them a few that are in use, for those
// with a file none.
std::vector<std::string> example_names();

// The format of this name with every option at its default; no value for an unknown name. Throws a usage error where
// the number in the name is out of range.
std::optional<Format> named_format(std::string_view name);

// The name that is shortest for the format's parts: that of a microscaled format or NVFP4 where its element, scale and
// blocks are that one's, else the element's. Another name is left as it is.
std::string name_by_parts(const Format& format);

// Whether the name stands for an element in blocks: "mxfp4", "nvfp4".
bool is_block_format_name(std::string_view name);

// The specification that defines the format of that name.
std::string source_of(const Format& format);

}  // namespace fakequant
