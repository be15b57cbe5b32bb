#include "report/census_classes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "report/layer_names.h"

namespace fakequant {
namespace {

bool is_mantissa_format(const std::string& format) { return format.starts_with("mantissa"); }

void add(const TensorCensus& tensor, TensorClass& entry) {
  if (tensor.low16_zero) {
    entry.low16_zero_min = std::min(entry.low16_zero_min.value_or(1), *tensor.low16_zero);
    entry.low16_zero_max = std::max(entry.low16_zero_max.value_or(0), *tensor.low16_zero);
  }
  std::erase_if(entry.lossless_in, [&](const std::string& format) {
    return std::find(tensor.lossless_in.begin(), tensor.lossless_in.end(), format) == tensor.lossless_in.end();
  });
  entry.mantissa_bits = std::max(entry.mantissa_bits, tensor.mantissa_bits);
  entry.absmax = std::max(entry.absmax, tensor.absmax);
  ++entry.tensors;
}

}  // namespace

std::vector<TensorClass> fold_layers(const Census& census) {
  using Key = std::tuple<std::string, std::string, std::vector<std::int64_t>>;
  std::map<Key, std::size_t> indices;
  std::vector<TensorClass> classes;
  std::vector<std::vector<int>> layers;
  for (const auto& tensor : census.tensors) {
    const auto pattern = layer_pattern(tensor.name);
    const auto [found, is_new] = indices.emplace(Key{pattern, tensor.type, tensor.shape}, classes.size());
    if (is_new) {
      classes.push_back(
          {pattern, tensor.type, tensor.shape, 0, {}, {}, 0, tensor.lossless_in, tensor.absmax, tensor.mantissa_width});
      // mantissaN differs from tensor to tensor; mantissa_bits gives the maximum for the class.
      std::erase_if(classes.back().lossless_in, is_mantissa_format);
      layers.emplace_back();
    }
    add(tensor, classes[found->second]);
    if (tensor.layer) layers[found->second].push_back(*tensor.layer);
  }
  for (std::size_t i = 0; i < classes.size(); ++i) {
    std::sort(layers[i].begin(), layers[i].end());
    classes[i].name = with_layers(classes[i].name, layers[i]);
  }
  return classes;
}

std::string class_word(const TensorCensus& tensor) {
  std::string name = layer_pattern(tensor.name);
  if (tensor.layer) name = name.substr(name.find("*.") + 2);
  if (name.ends_with(".weight")) name.resize(name.size() - 7);
  return name;
}

}  // namespace fakequant
