// per=head, in rules for what attention's cache holds: a scale for each head of a token, which is a row there. It is
// another word for per=row, and the one that cannot mean something else.
#pragma once

#include "error.h"
#include "recipe/rule.h"

namespace fakequant {

inline bool is_head_span(const FormatOption& option) { return option.key == "per" && option.value == "head"; }

// The option that it stands for.
inline FormatOption row_span() { return {"per", "row"}; }

[[noreturn]] inline void refuse_head_span() {
  throw usage_error("per=head is for rules of a:k_cache and a:v_cache, whose rows are heads: write per=row");
}

// Throws a usage error where a rule that has it is for something else.
inline void check_head_span(const Rule& rule) {
  if (!is_about_cache(rule)) refuse_head_span();
}

}  // namespace fakequant
