#include "recipe/site_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "error.h"
#include "recipe/nearest_words.h"

namespace fakequant {
namespace {

// Every selector of the pattern's kind that would select one of the sites.
std::set<std::string> selectors_of(const SitePattern& pattern, const std::vector<Site>& sites) {
  std::set<std::string> words;
  for (const auto& site : sites) {
    if (pattern.kind == SiteKind::weight) {
      words.insert(weight_word(site.name, site.layer));
      continue;
    }
    for (const auto& weight : site.feeds) {
      const auto word = weight_word(weight.name, weight.layer);
      for (const auto& role : role_names()) {
        if (plays_role(role, word)) words.insert(role);
      }
      if (pattern.selector.form != Selector::name) words.insert(to_string({Selector::input_of, word, {}}));
    }
    if (site.is_logits) words.emplace(kLogitsRole);
    if (pattern.selector.form == Selector::input_of) continue;
    for (const auto& node : site.node_names) {
      const auto word = node_word(node.name);
      words.insert(node.is_last ? word : to_string({Selector::name, word, node.occurrence}));
    }
  }
  words.erase("");
  return words;
}

[[noreturn]] void refuse_unmatched(const Rule& rule, const std::vector<Site>& sites) {
  const auto& pattern = rule.pattern;
  const auto words = selectors_of(pattern, sites);
  const auto* what = pattern.kind == SiteKind::weight ? "weight" : "activation";
  if (words.empty()) {
    throw usage_error(fmt::format("rule '{}' matches no {} of this model: it has none to name", to_string(rule), what));
  }
  const bool is_whole = pattern.selector.form != Selector::role && is_matched_whole(pattern.selector.text);
  throw usage_error(fmt::format("rule '{}' matches no {} of this model: the nearest are {}{}", to_string(rule), what,
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

std::vector<std::optional<std::size_t>> match_sites(const Recipe& recipe, const std::vector<Site>& sites,
                                                    int layer_count) {
  for (const auto& rule : recipe) {
    if (const int highest = rule.pattern.layers.highest(); highest >= layer_count) {
      throw usage_error(
          layer_count == 0
              ? fmt::format("rule '{}' names layer {}, but this model has no layers", to_string(rule), highest)
              : fmt::format("layer {} of rule '{}' is out of range: this model has the layers 0 to {}", highest,
                            to_string(rule), layer_count - 1));
    }
    const bool matches = std::any_of(sites.begin(), sites.end(),
                                     [&](const Site& site) { return selects(rule.pattern, site, layer_count); });
    if (!matches) refuse_unmatched(rule, sites);
  }
  return winning_rules(recipe, sites, layer_count);
}

}  // namespace fakequant
