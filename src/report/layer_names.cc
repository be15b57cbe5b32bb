#include "report/layer_names.h"

#include "report/numbers.h"

namespace fakequant {

std::string with_layers(std::string pattern, const std::vector<int>& layers) {
  if (!layers.empty()) pattern.replace(pattern.find('*'), 1, layer_ranges(layers));
  return pattern;
}

}  // namespace fakequant
