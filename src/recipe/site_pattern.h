// A site pattern: which sites of a model a rule, a sweep or a plan is about.
//
//   KIND:SELECTOR[@LAYERS][@tokens:TOKENS][@except:SELECTOR[@LAYERS]]...
//
//   w:ffn_norm@0-4,10     a:ffn_norm     a:in(ffn_up)@last:2@tokens:1-     w:matrices@except:ffn_down@0
//
// KIND is w, a weight tensor, or a, an activation: the result of a node of the graph that llama.cpp computes. What an
// exception selects, the pattern does not. Exceptions come last; layers after one are the exception's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "recipe/layer_set.h"
#include "recipe/selector.h"
#include "recipe/site.h"
#include "recipe/token_set.h"

namespace fakequant {

struct SitePattern {
  SiteKind kind = SiteKind::weight;
  Selector selector;
  LayerSet layers;
  TokenSet tokens;                  // of an activation; a weight has none
  std::vector<SitePattern> except;  // of the same kind, without tokens and exceptions of their own

  bool operator==(const SitePattern&) const = default;
};

// Throws a usage error that says which part of the text is wrong and what is allowed.
SitePattern parse_site_pattern(std::string_view text);

// The text that parse_site_pattern reads back to the same pattern.
std::string to_string(const SitePattern& pattern);

// Throws a usage error for a weight with tokens, and for an exception that is of another kind or has tokens or
// exceptions of its own.
void check_site_pattern(const SitePattern& pattern);

// The same pattern in all layers, and in one layer only.
SitePattern in_all_layers(SitePattern pattern);
SitePattern in_layer(SitePattern pattern, int layer);

// Whether the pattern selects a site of its kind. A bare word selects, of weights, blk.N.WORD.weight (also enc.blk. and
// dec.blk.) or WORD.weight, and of activations WORD-N or WORD. The selector of a class selects the weights of that
// class (weight_class.h). A weight's selector with a dot or a glob's characters is matched against the whole name; a
// whole name always matches. The layer is that of the site, and for in(...), out(...) and roles that of the weight. A
// pattern with layers selects no site outside the layers. Of what an exception selects nothing is selected.
bool selects(const SitePattern& pattern, const Site& site, int layer_count);

// Whether an activation pattern selects the input of this weight's product by the weight, with in(...) or a role.
// Exceptions are about sites and count for nothing here.
bool selects_input_of(const SitePattern& pattern, const WeightName& weight, int layer_count);

}  // namespace fakequant
