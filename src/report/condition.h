// A condition on a result, such as max_rel>0.01, that makes a command fail: for scripts and CI.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/json_file.h"

namespace fakequant {

struct Condition {
  std::string text;        // as given
  std::string field;       // of the result's JSON; a dot separates the names of nested objects
  std::string comparison;  // one of > >= < <= == !=
  double limit = 0;
};

// Parses "FIELD>NUMBER", with or without spaces. Throws a usage error that says what is allowed for anything else, and
// for a field that is not one of `fields`.
Condition parse_condition(const std::string& text, const std::vector<std::string>& fields);

// A message where the condition holds in a result, or nothing. The field is one of the result itself, if it has it (for
// a list its length is compared), or else one of the objects in its lists. NaN fulfils every condition, and so does a
// result without the field: neither may pass a check.
std::optional<std::string> find_condition(const Condition& condition, const Json& result);

}  // namespace fakequant
