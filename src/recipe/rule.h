// A rule: which sites, and the number format that their values are rounded to.
//
//   KIND:SELECTOR[@LAYERS][@tokens:TOKENS]=FORMAT[,KEY=VALUE]...
//
//   w:ffn_norm@0-4,10=bf16,round=zero     a:ffn_norm=bf16     a:in(ffn_up)@last:2@tokens:1-=int8
//
// KIND is w, a weight tensor, or a, an activation: the result of a node of the graph that llama.cpp computes. The first
// '=' ends the site; commas left of it belong to the layers and tokens, right of it to the format's options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/format.h"
#include "recipe/layer_set.h"
#include "recipe/selector.h"
#include "recipe/token_set.h"

namespace fakequant {

struct Rule {
  SiteKind kind = SiteKind::weight;
  Selector selector;
  LayerSet layers;
  TokenSet tokens;  // of an activation
  Format format;

  bool operator==(const Rule&) const = default;
};

// Rules in order: the last that matches a site wins.
using Recipe = std::vector<Rule>;

// Throws a usage error that says which part of the text is wrong and what is allowed.
Rule parse_rule(std::string_view text);

// Throws a usage error when the format's options do not go with the kind of site: a token is no part of a weight, a
// weight's range need not be recorded, and a scale found over the tokens that happen to be evaluated together would
// make results depend on the batch.
void check_rule(const Rule& rule);

// The text that parse_rule reads back to the same rule.
std::string to_string(const Rule& rule);

// The recipe's rules of one kind, in their order.
Recipe rules_of_kind(const Recipe& recipe, SiteKind kind);

// The rules as one line: "w:ffn_norm=bf16 a:ffn_norm=bf16".
std::string to_string(const Recipe& recipe);

}  // namespace fakequant
