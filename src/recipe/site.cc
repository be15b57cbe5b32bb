#include "recipe/site.h"

#include <fmt/format.h>

#include <algorithm>

#include "number_of_text.h"

namespace fakequant {
namespace {

// Where the "-3" of "ffn_norm-3" and of "fattn_mla-3 (permuted) (cont)" begins and ends.
struct LayerMark {
  std::size_t begin = std::string_view::npos, end = std::string_view::npos;
  int layer = -1;  // -1: the name has no mark
};

LayerMark find_layer_mark(std::string_view name) {
  const auto end = std::min(name.size(), name.find(" ("));  // ggml adds what follows
  const auto dash = name.substr(0, end).rfind('-');
  if (dash == std::string_view::npos) return {};
  const auto layer = number_of_text<int>(name.substr(dash + 1, end - dash - 1));
  if (!layer || *layer < 0) return {};
  return {dash, end, *layer};
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

}  // namespace fakequant
