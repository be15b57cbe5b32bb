// Which rule of a recipe decides over which site of a model.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/rule.h"

namespace fakequant {

// A place where values can be rounded: a weight tensor or a graph node, by its whole name.
struct Site {
  std::string name;          // "blk.3.ffn_norm.weight" or "ffn_norm-3"
  std::optional<int> layer;  // none for what belongs to no layer
};

// What a pattern such as blk.*.ffn_*.weight means: * stands for any number of characters, ? for one.
bool glob_match(std::string_view pattern, std::string_view text);

// For each site the index of the rule in `recipe` that wins there, or none. All rules are of `kind`, as are the sites.
// A bare word means, for weights, blk.N.WORD.weight (also enc.blk. and dec.blk.) or WORD.weight; for activations WORD-N
// or WORD. A selector with a dot or a glob's letters is matched against the whole name; a whole name always matches.
// Throws a usage error when a rule matches no site, naming the nearest selectors, or when a layer is out of range.
std::vector<std::optional<std::size_t>> match_sites(const Recipe& recipe, SiteKind kind, const std::vector<Site>& sites,
                                                    int layer_count);

// The word by which a site is selected: "ffn_norm" for "blk.3.ffn_norm.weight" and for "ffn_norm-3".
std::string selector_word(SiteKind kind, const Site& site);

}  // namespace fakequant
