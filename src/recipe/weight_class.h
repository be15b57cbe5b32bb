// What a weight tensor is for, by its name and shape: a matrix, a norm, an embedding, the output.
//
// A recipe says "every matrix" with w:matrices. A file does not say which of its tensors matrix products read, so it
// follows from the names, which are GGUF's for all architectures, and from the shape: a norm has one dimension, or is
// called one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

enum class WeightClass {
  matrix,     // a factor of matrix products in the layers, also of routed experts
  norm,       // the factors of a norm
  embedding,  // of tokens, positions and token types
  output,     // the matrix that gives the logits
  bias,
  other  // scales, convolutions, rotation frequencies, state-space parameters
};

// `shape`: as GGUF has it, the row first. Trailing dimensions of 1 do not count.
WeightClass class_of_weight(std::string_view name, std::span<const std::int64_t> shape);

// The class of a weight that a matrix product reads.
WeightClass class_of_factor(std::string_view name);

// The selector of a class, "matrices"; empty for those that no selector names.
std::string_view selector_of(WeightClass weight_class);

// The class that a selector names; none for other words.
std::optional<WeightClass> class_of_selector(std::string_view text);

// "routers" selects a part of a class: the matrices that choose the experts of each token.
inline constexpr std::string_view kRouters = "routers";
bool is_router(std::string_view name);

// Whether a selector names a kind of weights that a model may have none of: a class, or the routers.
bool may_select_none(std::string_view selector);

// The selectors of classes, "matrices" first.
const std::vector<std::string>& class_selectors();

// "1 matrix", "154 matrices".
std::string counted(WeightClass weight_class, std::size_t count);

}  // namespace fakequant
