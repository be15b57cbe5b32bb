#include "report/census_classes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "report/numbers.h"

namespace fakequant {
namespace {

// Where the number of the layer begins and ends in the tensor's name.
std::pair<std::size_t, std::size_t> layer_digits(const std::string& name) {
  const auto begin = name.find("blk.") + 4;
  return {begin, name.find('.', begin)};
}

// The name with a mark in place of the layer's number: the same for all tensors of a class.
std::string pattern_of(const TensorCensus& tensor) {
  if (!tensor.layer) return tensor.name;
  const auto [begin, end] = layer_digits(tensor.name);
  return tensor.name.substr(0, begin) + "*" + tensor.name.substr(end);
}

bool is_mantissa_format(const std::string& format) { return format.starts_with("mantissa"); }

void add(const TensorCensus& tensor, TensorClass& entry) {
  if (tensor.low16_zero) {
    entry.low16_zero_least = std::min(entry.low16_zero_least.value_or(1), *tensor.low16_zero);
    entry.low16_zero_most = std::max(entry.low16_zero_most.value_or(0), *tensor.low16_zero);
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
  std::map<Key, std::size_t> places;
  std::vector<TensorClass> classes;
  std::vector<std::vector<int>> layers;
  for (const auto& tensor : census.tensors) {
    const auto [found, is_new] = places.emplace(Key{pattern_of(tensor), tensor.type, tensor.shape}, classes.size());
    if (is_new) {
      classes.push_back(
          {pattern_of(tensor), tensor.type, tensor.shape, 0, {}, {}, 0, tensor.lossless_in, tensor.absmax});
      // mantissaN differs from tensor to tensor; mantissa_bits says it for the class.
      std::erase_if(classes.back().lossless_in, is_mantissa_format);
      layers.emplace_back();
    }
    add(tensor, classes[found->second]);
    if (tensor.layer) layers[found->second].push_back(*tensor.layer);
  }
  for (std::size_t i = 0; i < classes.size(); ++i) {
    std::sort(layers[i].begin(), layers[i].end());
    if (!layers[i].empty()) classes[i].name.replace(classes[i].name.find('*'), 1, layer_ranges(layers[i]));
  }
  return classes;
}

std::string class_word(const TensorCensus& tensor) {
  std::string name = tensor.name;
  if (tensor.layer) name = name.substr(layer_digits(name).second + 1);
  if (name.ends_with(".weight")) name.resize(name.size() - 7);
  return name;
}

}  // namespace fakequant
