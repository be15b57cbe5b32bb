// The fields that all JSON files of fakequant share. A number that is not finite is written as null.
#pragma once

#include <string>
#include <vector>

#include "format/rounding_errors.h"
#include "json.h"

namespace fakequant {

using Json = nlohmann::ordered_json;

// What made a result.
struct Provenance {
  std::string command;  // the command line
  std::string version;  // of fakequant
  std::vector<std::string> backends;
  std::string arithmetic = {};  // in which a model was computed; empty where none was
};

// The first fields of a file: schema ("fakequant.inspect/1" for "inspect"), model, command, version, backends, and
// arithmetic where a model was computed.
Json json_file(const std::string& command_name, const std::string& model, const Provenance& provenance);

// The fields of a rounding's errors: elements changed saturated absmax max_abs mean_abs max_rel rmse sqnr_db
// cosine flushed not_finite.
void add_rounding_errors(Json& json, const RoundingErrors& errors);

// Null for an empty text.
Json text_or_null(const std::string& text);

// The text of a file, with a newline at its end. Bytes that are not UTF-8 become the replacement character.
std::string to_text(const Json& json);

}  // namespace fakequant
