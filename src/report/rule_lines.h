// What rules take, in a line each, before the work: "w:matrices=int4: 154 matrices".
//
// A glob such as blk.*.attn_*.weight also takes norms, which nobody sees from the results.
#pragma once

#include <string>
#include <vector>

#include "weights/weight_sites.h"

namespace fakequant {

// Lines, each with its end. `variant`: put before each line; empty for none.
std::string rule_lines(const std::vector<WeightsOfRule>& rules, const std::string& variant);

}  // namespace fakequant
