#include "plan/coupled_parts.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <numeric>
#include <utility>

#include "error.h"
#include "gguf/gguf_model.h"
#include "recipe/site.h"

namespace fakequant {
namespace {

constexpr std::pair<const char*, Couple> kCouples[] = {
    {"qkv", Couple::qkv}, {"gate-up", Couple::gate_up}, {"experts", Couple::experts}};

// The name of the set that a weight belongs to; empty if it is coupled to none.
std::string set_of(const std::string& word, Couple couple) {
  switch (couple) {
    case Couple::qkv:
      return word == "attn_q" || word == "attn_k" || word == "attn_v" ? "qkv" : "";
    case Couple::gate_up:
      for (const std::string first : {"ffn_gate", "ffn_up"}) {
        for (const std::string last : {"", "_exps", "_shexp"}) {
          if (word == first + last) return "gate-up" + last;
        }
      }
      return "";
    case Couple::experts:
      return word.ends_with("_exps") ? "experts" : "";
  }
  return "";
}

std::size_t root_of(std::vector<std::size_t>& parents, std::size_t part) {
  while (parents[part] != part) part = parents[part] = parents[parents[part]];
  return part;
}

}  // namespace

Couple parse_couple(const std::string& text) {
  for (const auto& [name, couple] : kCouples) {
    if (text == name) return couple;
  }
  throw usage_error(fmt::format("'{}' couples nothing: take qkv, gate-up or experts", text));
}

std::vector<std::vector<std::size_t>> coupled_parts(const std::vector<PlanPart>& parts,
                                                    const std::vector<Couple>& couples) {
  std::vector<std::size_t> parents(parts.size());
  std::iota(parents.begin(), parents.end(), std::size_t{0});
  std::map<std::pair<std::string, int>, std::size_t> firsts;  // by set and layer: a part that is in it
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (parts[p].kind != SiteKind::weight) continue;
    for (const auto& name : parts[p].names) {
      const auto layer = layer_of_tensor(name);
      for (const auto couple : couples) {
        const auto set = set_of(weight_word(name, layer), couple);
        if (set.empty()) continue;
        const auto first = firsts.try_emplace({set, layer.value_or(-1)}, p).first->second;
        const auto a = root_of(parents, first), b = root_of(parents, p);
        parents[std::max(a, b)] = std::min(a, b);
      }
    }
  }
  std::vector<std::vector<std::size_t>> sets;
  std::map<std::size_t, std::size_t> index;  // of a set, by its root
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto [found, is_new] = index.try_emplace(root_of(parents, p), sets.size());
    if (is_new) sets.emplace_back();
    sets[found->second].push_back(p);
  }
  return sets;
}

}  // namespace fakequant
