#include "recipe/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "error.h"
#include "format/format_properties.h"

namespace fakequant {
namespace {

constexpr std::string_view kTokens = "tokens:";

[[noreturn]] void refuse(std::string_view rule, std::string_view why) {
  throw usage_error(fmt::format(
      "rule '{}' {}: write KIND:SELECTOR[@LAYERS][@tokens:TOKENS]=FORMAT, such as w:ffn_norm=bf16", rule, why));
}

SiteKind parse_kind(std::string_view kind, std::string_view rule) {
  if (kind == "w") return SiteKind::weight;
  if (kind == "a") return SiteKind::activation;
  refuse(rule, fmt::format("begins with '{}:', which is neither w: (weights) nor a: (activations)", kind));
}

}  // namespace

Rule parse_rule(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) refuse(text, "names no format");
  const auto site = text.substr(0, equals);
  const auto colon = site.find(':');
  if (colon == std::string_view::npos) refuse(text, "does not say what kind of site it means");

  Rule rule;
  rule.kind = parse_kind(site.substr(0, colon), text);
  auto at = site.find('@', colon);
  const auto selector = site.substr(colon + 1, at == std::string_view::npos ? at : at - colon - 1);
  if (selector.empty()) refuse(text, "names no site");
  rule.selector = parse_selector(rule.kind, selector);
  bool has_layers = false, has_tokens = false;
  while (at != std::string_view::npos) {
    const auto next = site.find('@', at + 1);
    const auto part = site.substr(at + 1, next == std::string_view::npos ? next : next - at - 1);
    const bool is_tokens = part.starts_with(kTokens);
    if (std::exchange(is_tokens ? has_tokens : has_layers, true)) {
      refuse(text, fmt::format("names {} twice", is_tokens ? "tokens" : "layers"));
    }
    if (is_tokens) {
      rule.tokens = parse_tokens(part.substr(kTokens.size()));
    } else {
      rule.layers = parse_layers(part);
    }
    at = next;
  }
  rule.format = parse_format(text.substr(equals + 1));
  check_rule(rule);
  return rule;
}

void check_rule(const Rule& rule) {
  const auto& format = rule.format;
  if (rule.kind == SiteKind::weight && !rule.tokens.is_all()) {
    throw usage_error("tokens are for activations: a weight belongs to no token");
  }
  if (rule.kind == SiteKind::weight && format.per == Span::token) {
    throw usage_error("per=token is for activations: a weight's scale spans a row, a block or the tensor");
  }
  const bool is_static = has_static_range(format);
  if (rule.kind == SiteKind::activation && format.per == Span::tensor && !is_static) {
    throw usage_error(
        "per=tensor is for weights: over the tokens of a batch a scale would depend on the batch; take per=token, row "
        "or block, or give range=static:FILE");
  }
  if (rule.kind == SiteKind::weight && is_static) {
    throw usage_error(
        "range=static is for activations: a weight's own range is always known; take range=absmax, or another that "
        "its values give");
  }
  if (rule.kind == SiteKind::activation && needs_importance(format)) {
    throw usage_error(fmt::format(
        "{} is for weights: ggml quantizes to it only with an importance matrix, which weighs a weight's columns",
        format.name));
  }
  if (rule.kind == SiteKind::activation && !format.importance_file.empty()) {
    throw usage_error("imatrix= is for weights: an importance matrix weighs a weight's columns");
  }
}

std::string to_string(const Rule& rule) {
  return fmt::format("{}:{}{}{}={}", rule.kind == SiteKind::weight ? "w" : "a", to_string(rule.selector),
                     rule.layers.is_all() ? "" : "@" + to_string(rule.layers),
                     rule.tokens.is_all() ? "" : fmt::format("@{}{}", kTokens, to_string(rule.tokens)),
                     to_string(rule.format));
}

Recipe rules_of_kind(const Recipe& recipe, SiteKind kind) {
  Recipe rules;
  std::copy_if(recipe.begin(), recipe.end(), std::back_inserter(rules),
               [&](const Rule& rule) { return rule.kind == kind; });
  return rules;
}

std::string to_string(const Recipe& recipe) {
  std::string text;
  for (const auto& rule : recipe) text += (text.empty() ? "" : " ") + to_string(rule);
  return text;
}

}  // namespace fakequant
