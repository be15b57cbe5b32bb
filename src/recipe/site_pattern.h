// A site pattern: which sites of a model a rule, a sweep or a plan is about.
//
//   KIND:SELECTOR[@LAYERS][@tokens:TOKENS]
//
//   w:ffn_norm@0-4,10     a:ffn_norm     a:in(ffn_up)@last:2@tokens:1-
//
// KIND is w, a weight tensor, or a, an activation: the result of a node of the graph that llama.cpp computes.
#pragma once

#include <string>
#include <string_view>

#include "recipe/layer_set.h"
#include "recipe/selector.h"
#include "recipe/site.h"
#include "recipe/token_set.h"

namespace fakequant {

struct SitePattern {
  SiteKind kind = SiteKind::weight;
  Selector selector;
  LayerSet layers;
  TokenSet tokens;  // of an activation; a weight has none

  bool operator==(const SitePattern&) const = default;
};

// Throws a usage error that says which part of the text is wrong and what is allowed.
SitePattern parse_site_pattern(std::string_view text);

// The text that parse_site_pattern reads back to the same pattern.
std::string to_string(const SitePattern& pattern);

// Throws a usage error for a weight with tokens.
void check_site_pattern(const SitePattern& pattern);

// The same pattern in all layers, and in one layer only.
SitePattern in_all_layers(SitePattern pattern);
SitePattern in_layer(SitePattern pattern, int layer);

// Whether the pattern selects a site of its kind. A bare word selects, of weights, blk.N.WORD.weight (also enc.blk. and
// dec.blk.) or WORD.weight, and of activations WORD-N or WORD. A weight's selector with a dot or a glob's characters is
// matched against the whole name; a whole name always matches. The layer is that of the site, and for in(...) and roles
// that of the weight. A pattern with layers selects no site outside the layers.
bool selects(const SitePattern& pattern, const Site& site, int layer_count);

// Whether an activation pattern selects the input of this weight's product by the weight, with in(...) or a role.
bool selects_input_of(const SitePattern& pattern, const WeightName& weight, int layer_count);

}  // namespace fakequant
