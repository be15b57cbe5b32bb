#include "recipe/site_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "error.h"
#include "recipe/weight_class.h"

namespace fakequant {
namespace {

constexpr std::string_view kTokensPrefix = "tokens:";
constexpr std::string_view kExceptPrefix = "except:";

[[noreturn]] void refuse_pattern(std::string_view pattern, std::string_view why) {
  throw usage_error(
      fmt::format("site '{}' {}: write KIND:SELECTOR[@LAYERS][@tokens:TOKENS][@except:SELECTOR], such as w:ffn_norm",
                  pattern, why));
}

SiteKind parse_kind(std::string_view kind, std::string_view pattern) {
  if (kind == "w") return SiteKind::weight;
  if (kind == "a") return SiteKind::activation;
  refuse_pattern(pattern, fmt::format("begins with '{}:', which is neither w: (weights) nor a: (activations)", kind));
}

bool contains_layer(const LayerSet& layers, std::optional<int> layer, int layer_count) {
  return layer ? layers.contains(*layer, layer_count) : layers.is_all();
}

bool selects_weight(std::string_view selector, std::string_view name, std::optional<int> layer,
                    WeightClass weight_class) {
  if (selector == kRouters) return is_router(name);
  return selector == name || class_of_selector(selector) == weight_class ||
         (is_matched_whole(selector) ? glob_match(selector, name) : selector == weight_word(name, layer));
}

// Of a weight that a product reads, and of the product.
bool selects_factor(const Selector& selector, const WeightName& weight) {
  return (!selector.occurrence || weight.occurrence.value_or(0) == *selector.occurrence) &&
         selects_weight(selector.text, weight.name, weight.layer, class_of_factor(weight.name));
}

bool selects_node(const Selector& selector, const NodeName& node) {
  const auto is_meant = selector.occurrence ? node.occurrence == *selector.occurrence : node.is_last;
  if (is_meant && (selector.text == node.name || selector.text == node_word(node.name))) return true;
  return !selector.occurrence && is_matched_whole(selector.text) && glob_match(selector.text, node.unique());
}

bool selects_by_name(const SitePattern& pattern, const Site& site) {
  const auto& selector = pattern.selector;
  if (pattern.kind == SiteKind::weight) {
    return selects_weight(selector.text, site.name, site.layer, class_of_weight(site.name, site.shape));
  }
  // What is written into the cache is another node's result, or made of it: a glob means the nodes.
  if (site.is_cache_write) return selector.text == site.name;
  if (site.node_names.empty()) return is_matched_whole(selector.text) && glob_match(selector.text, site.name);
  return std::any_of(site.node_names.begin(), site.node_names.end(),
                     [&](const NodeName& node) { return selects_node(selector, node); });
}

}  // namespace

SitePattern parse_site_pattern(std::string_view text) {
  if (text.find('=') != std::string_view::npos) {
    refuse_pattern(text, "is a whole rule: leave out the format and the '=' before it");
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) refuse_pattern(text, "does not say whether it is a weight or an activation");

  SitePattern pattern;
  pattern.kind = parse_kind(text.substr(0, colon), text);
  auto at = text.find('@', colon);
  const auto selector = text.substr(colon + 1, at == std::string_view::npos ? at : at - colon - 1);
  if (selector.empty()) refuse_pattern(text, "has no selector");
  pattern.selector = parse_selector(pattern.kind, selector);
  bool has_layers = false, has_tokens = false;
  while (at != std::string_view::npos) {
    const auto next = text.find('@', at + 1);
    const auto part = text.substr(at + 1, next == std::string_view::npos ? next : next - at - 1);
    at = next;
    if (part.starts_with(kExceptPrefix)) {
      pattern.except.push_back(
          {pattern.kind, parse_selector(pattern.kind, part.substr(kExceptPrefix.size())), {}, {}, {}});
      has_layers = false;
      continue;
    }
    const bool is_tokens = part.starts_with(kTokensPrefix);
    if (std::exchange(is_tokens ? has_tokens : has_layers, true)) {
      refuse_pattern(text, fmt::format("has {} twice", is_tokens ? "tokens" : "layers"));
    }
    if (is_tokens) {
      if (!pattern.except.empty()) refuse_pattern(text, "has tokens after an exception, which holds for all tokens");
      pattern.tokens = parse_tokens(part.substr(kTokensPrefix.size()));
    } else {
      (pattern.except.empty() ? pattern : pattern.except.back()).layers = parse_layers(part);
    }
  }
  check_site_pattern(pattern);
  return pattern;
}

std::string to_string(const SitePattern& pattern) {
  const auto layers_text = [](const SitePattern& of) { return of.layers.is_all() ? "" : "@" + to_string(of.layers); };
  auto text = fmt::format(
      "{}:{}{}{}", pattern.kind == SiteKind::weight ? "w" : "a", to_string(pattern.selector), layers_text(pattern),
      pattern.tokens.is_all() ? "" : fmt::format("@{}{}", kTokensPrefix, to_string(pattern.tokens)));
  for (const auto& exception : pattern.except) {
    text += fmt::format("@{}{}{}", kExceptPrefix, to_string(exception.selector), layers_text(exception));
  }
  return text;
}

void check_site_pattern(const SitePattern& pattern) {
  if (pattern.kind == SiteKind::weight && !pattern.tokens.is_all()) {
    throw usage_error("tokens are for activations: a weight belongs to no token");
  }
  for (const auto& exception : pattern.except) {
    if (exception.kind != pattern.kind) {
      throw usage_error(
          fmt::format("{} is no exception to {}: weights (w:) are excepted from weights, activations (a:) "
                      "from activations",
                      to_string(exception), to_string(pattern)));
    }
    if (!exception.tokens.is_all() || !exception.except.empty()) {
      throw usage_error(fmt::format("{} is no exception: write KIND:SELECTOR[@LAYERS]", to_string(exception)));
    }
  }
}

SitePattern in_all_layers(SitePattern pattern) {
  pattern.layers = {};
  return pattern;
}

SitePattern in_layer(SitePattern pattern, int layer) {
  pattern.layers.layers = std::vector<LayerSet::Range>{{layer, layer}};
  return pattern;
}

bool selects(const SitePattern& pattern, const Site& site, int layer_count) {
  if (std::any_of(pattern.except.begin(), pattern.except.end(),
                  [&](const SitePattern& exception) { return selects(exception, site, layer_count); })) {
    return false;
  }
  const auto& selector = pattern.selector;
  if (selector.form == Selector::name) {
    return contains_layer(pattern.layers, site.layer, layer_count) && selects_by_name(pattern, site);
  }
  if (selector.form == Selector::role && selector.text == kLogitsRole) {
    return site.is_logits && pattern.layers.is_all();
  }
  if (selector.form == Selector::role && is_role_in_graph(selector.text)) {
    return contains_layer(pattern.layers, site.layer, layer_count) &&
           std::find(site.roles.begin(), site.roles.end(), selector.text) != site.roles.end();
  }
  if (selector.form == Selector::output_of) {
    return site.product_of && contains_layer(pattern.layers, site.product_of->layer, layer_count) &&
           selects_factor(selector, *site.product_of);
  }
  return std::any_of(site.feeds.begin(), site.feeds.end(),
                     [&](const WeightName& weight) { return selects_input_of(pattern, weight, layer_count); });
}

bool selects_input_of(const SitePattern& pattern, const WeightName& weight, int layer_count) {
  if (!contains_layer(pattern.layers, weight.layer, layer_count)) return false;
  switch (pattern.selector.form) {
    case Selector::name:
    case Selector::output_of:
      return false;
    case Selector::input_of:
      return selects_factor(pattern.selector, weight);
    case Selector::role:
      return plays_role(pattern.selector.text, weight_word(weight.name, weight.layer));
  }
  return false;
}

}  // namespace fakequant
