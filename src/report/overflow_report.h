// Where a variant overflowed, as JSON and in words. Eval and sweeps share it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "measure/overflow.h"
#include "report/json_file.h"

namespace fakequant {

// null, or an object of text, chunk, token and site; `texts`: their names.
Json overflow_json(const std::optional<Overflow>& overflow, const std::vector<std::string>& texts);

// A cell in place of the figure.
inline constexpr auto kOverflows = "overflows";

// "NAME overflows: ..." as a line.
std::string overflow_line(const std::string& name, const Overflow& overflow, const std::vector<std::string>& texts);

// The names of the texts of a result.
template <typename Texts>
std::vector<std::string> names_of(const Texts& texts) {
  std::vector<std::string> names;
  for (const auto& text : texts) names.push_back(text.name);
  return names;
}

}  // namespace fakequant
