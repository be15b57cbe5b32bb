#include "recipe/weight_class.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "recipe/selector.h"

namespace fakequant {
namespace {

constexpr std::array kClasses = {WeightClass::matrix, WeightClass::norm, WeightClass::embedding,
                                 WeightClass::output, WeightClass::bias, WeightClass::other};

bool matches_any(std::initializer_list<std::string_view> globs, std::string_view name) {
  return std::any_of(globs.begin(), globs.end(), [&](std::string_view glob) { return glob_match(glob, name); });
}

// Of two dimensions or more, and read by other operations than matrix products: convolutions, position tables that are
// added, interpolations.
bool is_no_matrix(std::string_view name) {
  return matches_any(
      {"*conv1d*.weight", "*conv.weight", "*.conv?.weight", "*.dw.weight", "*_ape.weight", "*attn_rel_b.weight",
       "*_lerp_*.weight", "*time_mix_first.weight", "*time_mix_r_k.weight", "rope_*", "*ssm_a.weight", "*ssm_d.weight"},
      name);
}

// Matrices that may have a single row. Their shape then has one dimension.
bool may_have_one_row(std::string_view name) {
  return matches_any({"*ffn_gate_inp_shexp.weight", "*ssm_alpha.weight", "*ssm_beta.weight", "*attn_gate.weight",
                      "cls.weight", "cls.output.weight"},
                     name);
}

}  // namespace

WeightClass class_of_weight(std::string_view name, std::span<const std::int64_t> shape) {
  if (name.ends_with(".bias")) return WeightClass::bias;
  if (!name.ends_with(".weight")) return WeightClass::other;
  // A norm of each head has a row for each of them.
  if (matches_any({"*norm*", "*_ln.weight"}, name)) return WeightClass::norm;
  if (matches_any({"*token_embd.weight", "position_embd.weight", "token_types.weight", "*embed_tokens.weight"}, name)) {
    return WeightClass::embedding;
  }
  if (matches_any({"output.weight", "*shared_head_head.weight"}, name)) return WeightClass::output;
  std::size_t dimensions = shape.size();
  while (dimensions > 0 && shape[dimensions - 1] == 1) --dimensions;
  const bool is_matrix = dimensions >= 2 ? !is_no_matrix(name) : may_have_one_row(name);
  return is_matrix ? WeightClass::matrix : WeightClass::other;
}

WeightClass class_of_factor(std::string_view name) {
  constexpr std::array<std::int64_t, 2> kMatrix = {2, 2};
  const auto found = class_of_weight(name, kMatrix);
  return found == WeightClass::other ? WeightClass::matrix : found;
}

std::string_view selector_of(WeightClass weight_class) {
  switch (weight_class) {
    case WeightClass::matrix:
      return "matrices";
    case WeightClass::norm:
      return "norms";
    case WeightClass::embedding:
      return "embedding";
    case WeightClass::output:
      return "output";
    case WeightClass::bias:
    case WeightClass::other:
      return {};
  }
  return {};
}

std::optional<WeightClass> class_of_selector(std::string_view text) {
  for (const auto weight_class : kClasses) {
    if (const auto selector = selector_of(weight_class); !selector.empty() && selector == text) return weight_class;
  }
  return std::nullopt;
}

bool is_router(std::string_view name) {
  return matches_any({"*ffn_gate_inp.weight", "*ffn_gate_inp_shexp.weight"}, name);
}

bool may_select_none(std::string_view selector) { return selector == kRouters || class_of_selector(selector); }

const std::vector<std::string>& class_selectors() {
  static const std::vector<std::string> selectors = [] {
    std::vector<std::string> all;
    for (const auto weight_class : kClasses) {
      if (const auto selector = selector_of(weight_class); !selector.empty()) all.emplace_back(selector);
    }
    return all;
  }();
  return selectors;
}

std::string counted(WeightClass weight_class, std::size_t count) {
  const auto words = [&](std::string_view one, std::string_view several) {
    return fmt::format("{} {}", count, count == 1 ? one : several);
  };
  switch (weight_class) {
    case WeightClass::matrix:
      return words("matrix", "matrices");
    case WeightClass::norm:
      return words("norm", "norms");
    case WeightClass::embedding:
      return words("embedding", "embeddings");
    case WeightClass::output:
      return words("output", "outputs");
    case WeightClass::bias:
      return words("bias", "biases");
    case WeightClass::other:
      return words("other tensor", "other tensors");
  }
  return {};
}

}  // namespace fakequant
