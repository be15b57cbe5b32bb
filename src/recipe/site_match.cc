#include "recipe/site_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "error.h"
#include "recipe/nearest_words.h"
#include "recipe/weight_class.h"

namespace fakequant {
namespace {

// Every selector of the pattern's kind that would select one of the sites.
std::set<std::string> selectors_of(const SitePattern& pattern, const std::vector<Site>& sites) {
  std::set<std::string> words;
  for (const auto& site : sites) {
    if (pattern.kind == SiteKind::weight) {
      words.insert(weight_word(site.name, site.layer));
      words.emplace(selector_of(class_of_weight(site.name, site.shape)));
      continue;
    }
    const auto form = pattern.selector.form;
    if (form == Selector::output_of) {
      if (!site.product_of) continue;
      words.insert(
          to_string({form, weight_word(site.product_of->name, site.product_of->layer), site.product_of->occurrence}));
      continue;
    }
    for (const auto& weight : site.feeds) {
      const auto word = weight_word(weight.name, weight.layer);
      for (const auto& role : role_names()) {
        if (plays_role(role, word)) words.insert(role);
      }
      if (form != Selector::name) words.insert(to_string({Selector::input_of, word, weight.occurrence}));
    }
    if (site.is_logits) words.emplace(kLogitsRole);
    words.insert(site.roles.begin(), site.roles.end());
    if (form == Selector::input_of) continue;
    for (const auto& node : site.node_names) {
      const auto word = node_word(node.name);
      words.insert(node.is_last ? word : to_string({Selector::name, word, node.occurrence}));
    }
  }
  words.erase("");
  return words;
}

// Whether the weights are those of a model whose output is its embedding.
bool is_tied(const std::vector<Site>& weights) {
  const auto has = [&](std::string_view name) {
    return std::any_of(weights.begin(), weights.end(), [&](const Site& site) { return site.name == name; });
  };
  return has("token_embd.weight") && !has("output.weight");
}

[[noreturn]] void refuse_unmatched(const SitePattern& pattern, const std::string& what,
                                   const std::vector<Site>& sites) {
  const auto words = selectors_of(pattern, sites);
  const auto* kind = pattern.kind == SiteKind::weight ? "weight" : "activation";
  if (words.empty()) {
    throw usage_error(fmt::format("{} matches no {} of this model: it has none to name", what, kind));
  }
  if (pattern.kind == SiteKind::weight && class_of_selector(pattern.selector.text) == WeightClass::output &&
      pattern.layers.is_all() && is_tied(sites)) {
    throw usage_error(fmt::format(
        "{} matches no weight of this model: it has no output.weight, its embedding is its output: write w:embedding",
        what));
  }
  const bool is_whole = pattern.selector.form != Selector::role && is_matched_whole(pattern.selector.text);
  throw usage_error(fmt::format("{} matches no {} of this model: the nearest are {}{}", what, kind,
                                fmt::join(nearest_words(to_string(pattern.selector), words), ", "),
                                is_whole ? "; a selector with '.', '*' or '?' is matched against whole names" : ""));
}

}  // namespace

std::vector<std::optional<std::size_t>> winning_rules(const Recipe& recipe, const std::vector<Site>& sites,
                                                      int layer_count) {
  std::vector<std::optional<std::size_t>> winners(sites.size());
  for (std::size_t r = 0; r < recipe.size(); ++r) {
    for (std::size_t s = 0; s < sites.size(); ++s) {
      if (selects(recipe[r].pattern, sites[s], layer_count)) winners[s] = r;
    }
  }
  return winners;
}

void check_matches(const SitePattern& pattern, const std::string& what, const std::vector<Site>& sites,
                   int layer_count) {
  if (const int highest = pattern.layers.highest(); highest >= layer_count) {
    throw usage_error(layer_count == 0
                          ? fmt::format("{} names layer {}, but this model has no layers", what, highest)
                          : fmt::format("layer {} of {} is out of range: this model has the layers 0 to {}", highest,
                                        what, layer_count - 1));
  }
  for (const auto& exception : pattern.except) {
    if (exception.layers.is_all() && may_select_none(exception.selector.text)) continue;
    check_matches(exception, fmt::format("the exception '{}' of {}", to_string(exception), what), sites, layer_count);
  }
  const auto is_met = [&](const SitePattern& by) {
    return std::any_of(sites.begin(), sites.end(), [&](const Site& site) { return selects(by, site, layer_count); });
  };
  if (is_met(pattern)) return;
  auto without_exceptions = pattern;
  without_exceptions.except.clear();
  if (is_met(without_exceptions)) {
    throw usage_error(fmt::format("{} matches nothing of this model that its exceptions leave", what));
  }
  refuse_unmatched(pattern, what, sites);
}

std::vector<std::optional<std::size_t>> match_sites(const Recipe& recipe, const std::vector<Site>& sites,
                                                    int layer_count) {
  for (const auto& rule : recipe) {
    check_matches(rule.pattern, fmt::format("rule '{}'", to_string(rule)), sites, layer_count);
  }
  return winning_rules(recipe, sites, layer_count);
}

}  // namespace fakequant
