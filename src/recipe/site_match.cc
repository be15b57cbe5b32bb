#include "recipe/site_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "error.h"
#include "recipe/nearest_words.h"

namespace fakequant {
namespace {

// Where the "-3" of "ffn_norm-3" and of "fattn_mla-3 (permuted) (cont)" begins and ends, or nowhere.
struct LayerMark {
  std::size_t begin = std::string_view::npos, end = std::string_view::npos;
  int layer = -1;
};

LayerMark find_layer_mark(std::string_view name) {
  const auto end = std::min(name.size(), name.find(" ("));  // what follows was added by ggml
  const auto dash = name.substr(0, end).rfind('-');
  if (dash == std::string_view::npos) return {};
  int layer = 0;
  const auto [stop, fault] = std::from_chars(name.data() + dash + 1, name.data() + end, layer);
  if (fault != std::errc{} || stop != name.data() + end || layer < 0) return {};
  return {dash, end, layer};
}

// What belongs to no layer is meant only where no layers are named.
bool contains_layer(const LayerSet& layers, std::optional<int> layer, int layer_count) {
  return layer ? layers.contains(*layer, layer_count) : layers.is_all();
}

bool selects_weight(std::string_view selector, std::string_view name, std::optional<int> layer) {
  return selector == name || (is_pattern(selector) ? glob_match(selector, name) : selector == weight_word(name, layer));
}

bool selects_node(const Selector& selector, const NodeName& node) {
  const auto is_meant = selector.occurrence ? node.occurrence == *selector.occurrence : node.is_last;
  if (is_meant && (selector.text == node.name || selector.text == node_word(node.name))) return true;
  return !selector.occurrence && is_pattern(selector.text) && glob_match(selector.text, node.unique());
}

bool names_site(const Rule& rule, const Site& site) {
  const auto& selector = rule.selector;
  if (rule.kind == SiteKind::weight) return selects_weight(selector.text, site.name, site.layer);
  if (site.node_names.empty()) return is_pattern(selector.text) && glob_match(selector.text, site.name);
  return std::any_of(site.node_names.begin(), site.node_names.end(),
                     [&](const NodeName& node) { return selects_node(selector, node); });
}

bool selects(const Rule& rule, const Site& site, int layer_count) {
  if (rule.selector.form == Selector::name) {
    return contains_layer(rule.layers, site.layer, layer_count) && names_site(rule, site);
  }
  if (rule.selector.form == Selector::role && rule.selector.text == kLogitsRole) {
    return site.is_logits && rule.layers.is_all();
  }
  return std::any_of(site.feeds.begin(), site.feeds.end(),
                     [&](const WeightName& weight) { return means_input_of(rule, weight, layer_count); });
}

// All that could have been written in place of a selector.
std::set<std::string> selectors_of(const Rule& rule, const std::vector<Site>& sites) {
  std::set<std::string> words;
  for (const auto& site : sites) {
    if (rule.kind == SiteKind::weight) {
      words.insert(weight_word(site.name, site.layer));
      continue;
    }
    for (const auto& weight : site.feeds) {
      const auto word = weight_word(weight.name, weight.layer);
      for (const auto& role : role_names()) {
        if (plays_role(role, word)) words.insert(role);
      }
      if (rule.selector.form != Selector::name) words.insert(to_string({Selector::input_of, word, {}}));
    }
    if (site.is_logits) words.emplace(kLogitsRole);
    if (rule.selector.form == Selector::input_of) continue;
    for (const auto& node : site.node_names) {
      const auto word = node_word(node.name);
      words.insert(node.is_last ? word : to_string({Selector::name, word, node.occurrence}));
    }
  }
  words.erase("");
  return words;
}

[[noreturn]] void refuse_unmatched(const Rule& rule, const std::vector<Site>& sites) {
  const auto words = selectors_of(rule, sites);
  const auto* what = rule.kind == SiteKind::weight ? "weight" : "activation";
  if (words.empty()) {
    throw usage_error(fmt::format("rule '{}' matches no {} of this model: it has none to name", to_string(rule), what));
  }
  const bool is_held_against_names = rule.selector.form != Selector::role && is_pattern(rule.selector.text);
  throw usage_error(fmt::format(
      "rule '{}' matches no {} of this model: the nearest are {}{}", to_string(rule), what,
      fmt::join(nearest_words(to_string(rule.selector), words), ", "),
      is_held_against_names ? "; a pattern is held against whole names, as fakequant sites --all lists them" : ""));
}

}  // namespace

std::string NodeName::unique() const { return is_last ? name : fmt::format("{}#{}", name, occurrence); }

std::optional<int> layer_of_node(std::string_view name, int layer_count) {
  const auto mark = find_layer_mark(name);
  if (mark.layer < 0 || mark.layer >= layer_count) return std::nullopt;
  return mark.layer;
}

std::string node_word(std::string_view name) {
  const auto mark = find_layer_mark(name);
  if (mark.layer < 0) return std::string(name);
  return std::string(name.substr(0, mark.begin)) + std::string(name.substr(mark.end));
}

std::string weight_word(std::string_view name, std::optional<int> layer) {
  constexpr std::string_view weight = ".weight";
  if (!name.ends_with(weight)) return {};
  name.remove_suffix(weight.size());
  for (const std::string_view prefix : {"blk.", "enc.blk.", "dec.blk."}) {
    if (layer && name.starts_with(prefix)) return std::string(name.substr(name.find('.', prefix.size()) + 1));
  }
  return std::string(name);
}

bool means_input_of(const Rule& rule, const WeightName& weight, int layer_count) {
  if (!contains_layer(rule.layers, weight.layer, layer_count)) return false;
  switch (rule.selector.form) {
    case Selector::name:
      return false;
    case Selector::input_of:
      return selects_weight(rule.selector.text, weight.name, weight.layer);
    case Selector::role:
      return plays_role(rule.selector.text, weight_word(weight.name, weight.layer));
  }
  return false;
}

std::vector<std::optional<std::size_t>> winning_rules(const Recipe& recipe, const std::vector<Site>& sites,
                                                      int layer_count) {
  std::vector<std::optional<std::size_t>> winners(sites.size());
  for (std::size_t r = 0; r < recipe.size(); ++r) {
    for (std::size_t s = 0; s < sites.size(); ++s) {
      if (selects(recipe[r], sites[s], layer_count)) winners[s] = r;
    }
  }
  return winners;
}

std::vector<std::optional<std::size_t>> match_sites(const Recipe& recipe, const std::vector<Site>& sites,
                                                    int layer_count) {
  for (const auto& rule : recipe) {
    if (const int highest = rule.layers.highest(); highest >= layer_count) {
      throw usage_error(
          layer_count == 0
              ? fmt::format("rule '{}' names layer {}, but this model has no layers", to_string(rule), highest)
              : fmt::format("layer {} of rule '{}' is out of range: this model has the layers 0 to {}", highest,
                            to_string(rule), layer_count - 1));
    }
    const bool matches =
        std::any_of(sites.begin(), sites.end(), [&](const Site& site) { return selects(rule, site, layer_count); });
    if (!matches) refuse_unmatched(rule, sites);
  }
  return winning_rules(recipe, sites, layer_count);
}

}  // namespace fakequant
