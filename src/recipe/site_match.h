// Which rule of a recipe decides over which site of a model.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "recipe/rule.h"
#include "recipe/site.h"

namespace fakequant {

// For each site the index of the rule in `recipe` that wins there, or none. All rules are of one kind, as are the
// sites. Throws a usage error when a rule or an exception matches no site, naming the nearest selectors, or when a
// layer is out of range.
std::vector<std::optional<std::size_t>> match_sites(const Recipe& recipe, const std::vector<Site>& sites,
                                                    int layer_count);

// Throws a usage error as match_sites does. `what`: the pattern as a message names it, "rule 'w:ffn_norm=bf16'".
void check_matches(const SitePattern& pattern, const std::string& what, const std::vector<Site>& sites,
                   int layer_count);

// The same, where a rule may match nothing.
std::vector<std::optional<std::size_t>> winning_rules(const Recipe& recipe, const std::vector<Site>& sites,
                                                      int layer_count);

}  // namespace fakequant
