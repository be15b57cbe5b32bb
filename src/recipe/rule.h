// A rule: a site pattern, and the number format that the values of its sites are rounded to.
//
//   PATTERN=FORMAT[,KEY=VALUE]...
//
//   w:ffn_norm@0-4,10=bf16,round=zero     a:ffn_norm=bf16     a:in(ffn_up)@last:2@tokens:1-=int8
//   a:out(ffn_up)=mantissa23,acc=e8m13,every=32     a:k_cache=int2,per=channel,group=32,keep=recent:128
//
// The first '=' ends the pattern. Commas before it belong to layers and tokens, commas after it to the format's
// options. Some of them are not the format's: acc= and every= say how the sums of a matrix product are kept
// (accumulator.h), and keep=, per=channel and group= how attention's cache tells tokens apart (cache_tokens.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/format.h"
#include "recipe/accumulator.h"
#include "recipe/cache_tokens.h"
#include "recipe/site_pattern.h"

namespace fakequant {

struct Rule {
  SitePattern pattern;
  Format format;
  std::optional<Accumulator> accumulator = {};  // of the product whose result the pattern selects; none: float32
  CacheTokens cache_tokens = {};                // of what is written into attention's cache

  bool operator==(const Rule&) const = default;
};

// What follows a rule's '=', for whatever site.
struct RuleFormat {
  Format format;
  std::optional<Accumulator> accumulator = {};
  CacheTokens cache_tokens = {};

  bool operator==(const RuleFormat&) const = default;
};

// Rules in order: the last that matches a site wins.
using Recipe = std::vector<Rule>;

// Throws a usage error that says which part of the text is wrong and what is allowed.
Rule parse_rule(std::string_view text);

// The same of "FORMAT[,KEY=VALUE]...", and the rule for a site. The second throws as check_rule does.
RuleFormat parse_rule_format(std::string_view text);
Rule make_rule(const SitePattern& pattern, const RuleFormat& format);

// Throws a usage error when the pattern is invalid or the format's options do not suit its kind of site. Tokens are for
// activations, and so are recorded ranges: a weight's range is always known. A scale over all tokens that happen to be
// evaluated together is refused, because it would make results depend on the batch. An accumulator is for out(...), and
// for all tokens; options of the cache's tokens are for k_cache and v_cache.
void check_rule(const Rule& rule);

// Throws a usage error where a rule for these sites can have no accumulator.
void check_accumulated(const SitePattern& pattern);

// Whether the rule is about what attention's cache holds, or the state of recurrent layers.
bool is_about_cache(const Rule& rule);
bool is_about_state(const Rule& rule);

RuleFormat format_of(const Rule& rule);

// The options that follow the format's in the rule's text: those of its accumulator and of the cache's tokens.
std::vector<FormatOption> options_beside_format(const RuleFormat& format);

// The text that parse_rule_format reads back to the same, "mantissa23,acc=e8m13,every=32".
std::string to_string(const RuleFormat& format);
std::string format_text(const Rule& rule);

// The text that parse_rule reads back to the same rule.
std::string to_string(const Rule& rule);

// Leaves the sites of these patterns out of every rule, or pattern, of their kind. Throws a usage error where there is
// none of that kind, and as check_site_pattern does.
void add_exceptions(Recipe& recipe, const std::vector<SitePattern>& exceptions);
void add_exceptions(std::vector<SitePattern>& sites, const std::vector<SitePattern>& exceptions);

// The recipe's rules of one kind, in their order.
Recipe rules_of_kind(const Recipe& recipe, SiteKind kind);

// The rules as one line: "w:ffn_norm=bf16 a:ffn_norm=bf16".
std::string to_string(const Recipe& recipe);

}  // namespace fakequant
