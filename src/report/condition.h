// A condition on a result, such as max_rel>0.01, on which a command fails: for scripts and CI.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/json_file.h"

namespace fakequant {

struct Condition {
  std::string text;        // as given
  std::string field;       // of the result's JSON; dots lead into objects
  std::string comparison;  // one of > >= < <= == !=
  double limit = 0;
};

// "FIELD>NUMBER", with spaces where wanted. Throws a usage error that says what is allowed, also for a field that is
// not one of `fields`.
Condition parse_condition(const std::string& text, const std::vector<std::string>& fields);

// What to say where the condition holds in a result, or nothing. The field is that of the result itself, where it has
// it (of a list its length), or of the objects in its lists. A figure that is not a number fulfils every condition, and
// so does a result in which nothing has the field: neither can be passed.
std::optional<std::string> find_condition(const Condition& condition, const Json& result);

}  // namespace fakequant
