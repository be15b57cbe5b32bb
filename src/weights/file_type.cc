#include "weights/file_type.h"

#include <algorithm>
#include <string>

#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

// The type of most values, of matrices where there are any: llama.cpp stores vectors as F32 in every file.
template <typename TypeOf>
std::string main_type(const GgufModel& model, const TypeOf& type_of) {
  const auto& tensors = model.tensors();
  const auto is_matrix = [](const TensorInfo& tensor) { return tensor.shape.size() > 1; };
  const bool has_matrices = std::any_of(tensors.begin(), tensors.end(), is_matrix);
  std::map<std::string, std::int64_t> values;
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    if (is_matrix(tensors[t]) || !has_matrices) values[type_name(type_of(t))] += tensors[t].elements;
  }
  const auto most =
      std::max_element(values.begin(), values.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == values.end() ? "" : most->first;
}

}  // namespace

std::optional<std::uint32_t> changed_file_type(const GgufModel& model, const std::map<std::size_t, int>& changed) {
  // Of the types that apply stores in. A type with several mixes has the number of its middle one, as llama.cpp
  // guesses.
  static const std::map<std::string, std::uint32_t> numbers = {
      {"F32", 0},      {"F16", 1},    {"Q4_0", 2},    {"Q4_1", 3},   {"Q8_0", 7},   {"Q5_0", 8},     {"Q5_1", 9},
      {"Q2_K", 10},    {"Q3_K", 12},  {"Q4_K", 15},   {"Q5_K", 17},  {"Q6_K", 18},  {"IQ2_XXS", 19}, {"IQ2_XS", 20},
      {"IQ3_XXS", 23}, {"IQ1_S", 24}, {"IQ4_NL", 25}, {"IQ3_S", 26}, {"IQ2_S", 28}, {"IQ4_XS", 30},  {"IQ1_M", 31},
      {"BF16", 32},    {"TQ1_0", 36}, {"TQ2_0", 37},  {"MXFP4", 38}};
  const auto before = main_type(model, [&](std::size_t t) { return model.tensors()[t].type; });
  const auto after = main_type(model, [&](std::size_t t) {
    const auto found = changed.find(t);
    return found == changed.end() ? model.tensors()[t].type : found->second;
  });
  const auto number = numbers.find(after);
  if (after == before || number == numbers.end()) return std::nullopt;
  return number->second;
}

}  // namespace fakequant
