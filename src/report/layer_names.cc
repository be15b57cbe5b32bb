#include "report/layer_names.h"

#include "gguf/gguf_file.h"
#include "report/numbers.h"

namespace fakequant {

std::string layer_pattern(const std::string& name) {
  if (!layer_of_tensor(name)) return name;
  const auto begin = name.find("blk.") + 4;
  return name.substr(0, begin) + "*" + name.substr(name.find('.', begin));
}

std::string with_layers(std::string pattern, const std::vector<int>& layers) {
  if (!layers.empty()) pattern.replace(pattern.find('*'), 1, layer_ranges(layers));
  return pattern;
}

}  // namespace fakequant
