// A condition on a result, such as max_rel>0.01, that scripts and CI fail on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/json_file.h"

namespace fakequant {

struct Condition {
  std::string text;        // as given
  std::string entry;       // the name of the one that it is about, such as a variant's; empty for all
  std::string field;       // of the result's JSON; a dot separates the names of nested objects
  std::string comparison;  // one of > >= < <= == !=
  double limit = 0;
};

// Parses "FIELD>NUMBER" or "NAME: FIELD>NUMBER", with or without spaces. Throws a usage error that says what is allowed
// for anything else, and for a field that is not one of `fields`.
Condition parse_condition(const std::string& text, const std::vector<std::string>& fields);

// A message, such as "'max_rel>0.01' holds for 1 of 5: ...", if the condition holds in a result. The field is one of
// the result itself (the length, for a list), or else of the objects in its lists, or of the variants that continued a
// prompt. True and false count as 1 and 0. NaN fulfils every condition, and so does a result in which nothing has the
// field.
std::optional<std::string> find_condition(const Condition& condition, const Json& result);

}  // namespace fakequant
