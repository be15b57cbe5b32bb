#include "recipe/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "error.h"
#include "format/format_properties.h"
#include "recipe/head_span.h"

namespace fakequant {
namespace {

// Of "NAME[,KEY=VALUE]...": the options that are not the format's, and the text without them.
struct FormatText {
  std::string format;
  std::vector<FormatOption> of_accumulator, of_cache;
  bool spans_heads = false;  // per=head
};

std::string text_of(const FormatOption& option) { return option.key + "=" + option.value; }

FormatText split_options(std::string_view text) {
  FormatText split;
  bool is_first = true, follows_list = false;
  for (const auto piece : pieces_of(text)) {
    const auto equals = piece.find('=');
    const bool has_key = equals != std::string_view::npos;
    if (!has_key && follows_list) {  // keep=sink:4,recent:128
      split.of_cache.back().value += "," + std::string(piece);
      continue;
    }
    const FormatOption option{std::string(piece.substr(0, equals)),
                              has_key ? std::string(piece.substr(equals + 1)) : ""};
    const bool is_of_accumulator = has_key && is_accumulator_option(option.key);
    const bool is_of_cache = has_key && is_cache_option(option);
    if (is_first && (is_of_accumulator || is_of_cache)) {
      throw usage_error(fmt::format(
          "{} follows a format: write mantissa23,{} to leave the values themselves as they are computed", piece, text));
    }
    if (is_of_accumulator || is_of_cache) {
      (is_of_cache ? split.of_cache : split.of_accumulator).push_back(option);
    } else {
      const bool is_of_heads = !is_first && is_head_span(option);
      split.spans_heads |= is_of_heads;
      split.format += (is_first ? "" : ",") + (is_of_heads ? text_of(row_span()) : std::string(piece));
    }
    follows_list = is_of_cache && option.key == kKeepKey;
    is_first = false;
  }
  return split;
}

RuleFormat format_of(const FormatText& split) {
  RuleFormat format{parse_format(split.format)};
  if (!split.of_accumulator.empty()) format.accumulator = make_accumulator(split.of_accumulator);
  format.cache_tokens = make_cache_tokens(split.of_cache);
  return format;
}

bool names_role(const Rule& rule, std::string_view role) {
  const auto& selector = rule.pattern.selector;
  return rule.pattern.kind == SiteKind::activation && selector.form == Selector::role && selector.text == role;
}

void check_cache_tokens(const Rule& rule) {
  const auto& [sink, recent, group] = rule.cache_tokens;
  if (rule.cache_tokens == CacheTokens()) return;
  if (!is_about_cache(rule)) {
    throw usage_error(fmt::format("{} for what attention's cache holds, a:k_cache and a:v_cache",
                                  group > 0 ? "per=channel is" : "keep= is"));
  }
  if (!rule.pattern.tokens.is_all()) {
    throw usage_error("keep= and per=channel say which tokens are rounded: leave out @tokens:");
  }
  if (group == 0) return;
  const auto& format = rule.format;
  if (!has_integer_scale(format) || format.per || is_rotated(format) || is_random(format.rounding)) {
    throw usage_error(fmt::format(
        "per=channel is for integers with scales of their own, such as int2 with mode=asym, without another per=, a "
        "fixed range=, rotate= or round=stochastic; it does not go with {}",
        to_string(format)));
  }
}

}  // namespace

Rule parse_rule(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) {
    throw usage_error(
        fmt::format("rule '{}' names no format: write SITE=FORMAT[,KEY=VALUE]..., such as w:ffn_norm=bf16", text));
  }
  const auto split = split_options(text.substr(equals + 1));
  const auto pattern = parse_site_pattern(text.substr(0, equals));
  if (!split.of_accumulator.empty()) check_accumulated(pattern);
  auto rule = make_rule(pattern, format_of(split));
  if (split.spans_heads) check_head_span(rule);
  return rule;
}

RuleFormat parse_rule_format(std::string_view text) {
  const auto split = split_options(text);
  if (split.spans_heads) refuse_head_span();
  return format_of(split);
}

Rule make_rule(const SitePattern& pattern, const RuleFormat& format) {
  Rule rule{pattern, format.format, format.accumulator, format.cache_tokens};
  check_rule(rule);
  return rule;
}

void check_accumulated(const SitePattern& pattern) {
  if (pattern.kind == SiteKind::weight) {
    throw usage_error("acc= is for the results of matrix products: a weight is no sum, write a:out(WEIGHT)");
  }
  if (pattern.selector.form != Selector::output_of) {
    throw usage_error(fmt::format(
        "acc= is for the results of matrix products: {} is none by its name, write a:out(WEIGHT)", to_string(pattern)));
  }
  if (!pattern.tokens.is_all()) {
    throw usage_error("acc= is for all tokens of a product: leave out @tokens:");
  }
}

void check_rule(const Rule& rule) {
  check_site_pattern(rule.pattern);
  if (rule.accumulator) check_accumulated(rule.pattern);
  check_cache_tokens(rule);
  if (is_about_state(rule) && is_random(rule.format.rounding)) {
    throw usage_error("round=stochastic draws by the position of a token, and a state belongs to none");
  }
  const auto& format = rule.format;
  const bool is_weight = rule.pattern.kind == SiteKind::weight;
  check_span(format, is_weight ? ScaledAs::weight : ScaledAs::activation);
  if (is_weight && needs_range_file(format)) {
    throw usage_error(
        "range=static is for activations: a weight's own range is always known; take range=absmax, or another that "
        "its values give");
  }
  if (!is_weight && needs_importance(format)) {
    throw usage_error(fmt::format(
        "{} is for weights: ggml quantizes to it only with an importance matrix, which weighs a weight's columns",
        format.name));
  }
  if (!is_weight && !format.importance_file.empty()) {
    throw usage_error("imatrix= is for weights: an importance matrix weighs a weight's columns");
  }
  if (!is_weight && uses_hessian(format)) throw usage_error("fit=gptq is for weights: it rounds a matrix as a whole");
  if (!is_weight && finds_range_by_output(format)) {
    throw usage_error(
        "range=output is for weights: it clips a matrix by the output of its product; at inputs take mse");
  }
  if (!is_weight && uses_awq(format)) {
    throw usage_error("awq= is for weights: it finds factors of a matrix by the output; at inputs take smooth=");
  }
}

bool is_about_cache(const Rule& rule) { return names_role(rule, kKeyCacheRole) || names_role(rule, kValueCacheRole); }

bool is_about_state(const Rule& rule) { return names_role(rule, kStateRole); }

RuleFormat format_of(const Rule& rule) { return {rule.format, rule.accumulator, rule.cache_tokens}; }

std::vector<FormatOption> options_beside_format(const RuleFormat& format) {
  auto options = options_of(format.cache_tokens);
  if (format.accumulator) std::ranges::copy(options_of(*format.accumulator), std::back_inserter(options));
  return options;
}

std::string to_string(const RuleFormat& format) {
  auto text = to_string(format.format);
  for (const auto& [key, value] : options_beside_format(format)) text += fmt::format(",{}={}", key, value);
  return text;
}

std::string format_text(const Rule& rule) { return to_string(format_of(rule)); }

std::string to_string(const Rule& rule) { return fmt::format("{}={}", to_string(rule.pattern), format_text(rule)); }

void add_exceptions(Recipe& recipe, const std::vector<SitePattern>& exceptions) {
  std::vector<SitePattern> sites;
  for (const auto& rule : recipe) sites.push_back(rule.pattern);
  add_exceptions(sites, exceptions);
  for (std::size_t r = 0; r < recipe.size(); ++r) recipe[r].pattern = std::move(sites[r]);
}

void add_exceptions(std::vector<SitePattern>& sites, const std::vector<SitePattern>& exceptions) {
  for (const auto& exception : exceptions) {
    bool is_used = false;
    for (auto& site : sites) {
      if (site.kind != exception.kind) continue;
      is_used = true;
      if (std::find(site.except.begin(), site.except.end(), exception) != site.except.end()) continue;
      site.except.push_back(exception);
      check_site_pattern(site);
    }
    if (!is_used) {
      throw usage_error(fmt::format("there is nothing from which to except {}: add a rule for {}", to_string(exception),
                                    exception.kind == SiteKind::weight ? "weights (w:)" : "activations (a:)"));
    }
  }
}

Recipe rules_of_kind(const Recipe& recipe, SiteKind kind) {
  Recipe rules;
  std::copy_if(recipe.begin(), recipe.end(), std::back_inserter(rules),
               [&](const Rule& rule) { return rule.pattern.kind == kind; });
  return rules;
}

std::string to_string(const Recipe& recipe) {
  std::string text;
  for (const auto& rule : recipe) text += (text.empty() ? "" : " ") + to_string(rule);
  return text;
}

}  // namespace fakequant
