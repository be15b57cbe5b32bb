#include "recipe/site_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "error.h"
#include "recipe/nearest_words.h"

namespace fakequant {
namespace {

bool is_pattern(std::string_view selector) { return selector.find_first_of(".*?") != std::string_view::npos; }

bool selects(const Rule& rule, const Site& site, int layer_count) {
  const bool named =
      rule.selector == site.name || (is_pattern(rule.selector) ? glob_match(rule.selector, site.name)
                                                               : rule.selector == selector_word(rule.kind, site));
  if (!named) return false;
  // What belongs to no layer is meant only where no layers are named.
  return site.layer ? rule.layers.contains(*site.layer, layer_count) : rule.layers.is_all();
}

[[noreturn]] void refuse_unmatched(const Rule& rule, SiteKind kind, const std::vector<Site>& sites) {
  std::set<std::string> words;
  for (const auto& site : sites) {
    if (const auto word = selector_word(kind, site); !word.empty()) words.insert(word);
  }
  const auto* what = kind == SiteKind::weight ? "weight" : "activation";
  if (words.empty()) {
    throw usage_error(fmt::format("rule '{}' matches no {} of this model: it has none to name", to_string(rule), what));
  }
  throw usage_error(fmt::format("rule '{}' matches no {} of this model: the nearest are {}", to_string(rule), what,
                                fmt::join(nearest_words(rule.selector, words), ", ")));
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  // The usual two-pointer walk: on a mismatch, let the last * swallow one character more.
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string selector_word(SiteKind kind, const Site& site) {
  std::string_view name = site.name;
  if (kind == SiteKind::activation) {
    if (site.layer) {
      const auto suffix = fmt::format("-{}", *site.layer);
      if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
    }
    return std::string(name);
  }
  constexpr std::string_view weight = ".weight";
  if (!name.ends_with(weight)) return {};  // biases and the like: by whole name only
  name.remove_suffix(weight.size());
  for (const std::string_view prefix : {"blk.", "enc.blk.", "dec.blk."}) {
    if (site.layer && name.starts_with(prefix)) return std::string(name.substr(name.find('.', prefix.size()) + 1));
  }
  return std::string(name);
}

std::vector<std::optional<std::size_t>> match_sites(const Recipe& recipe, SiteKind kind, const std::vector<Site>& sites,
                                                    int layer_count) {
  std::vector<std::optional<std::size_t>> winners(sites.size());
  for (std::size_t r = 0; r < recipe.size(); ++r) {
    const auto& rule = recipe[r];
    if (const int highest = rule.layers.highest(); highest >= layer_count) {
      throw usage_error(
          layer_count == 0
              ? fmt::format("rule '{}' names layer {}, but this model has no layers", to_string(rule), highest)
              : fmt::format("layer {} of rule '{}' is out of range: this model has the layers 0 to {}", highest,
                            to_string(rule), layer_count - 1));
    }
    bool matched = false;
    for (std::size_t s = 0; s < sites.size(); ++s) {
      if (!selects(rule, sites[s], layer_count)) continue;
      winners[s] = r;
      matched = true;
    }
    if (!matched) refuse_unmatched(rule, kind, sites);
  }
  return winners;
}

}  // namespace fakequant
