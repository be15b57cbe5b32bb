#include "weights/yardsticks.h"

#include "format/fake_quantize.h"
#include "recipe/weight_class.h"
#include "weights/quantize_fallback.h"

namespace fakequant {
namespace {

constexpr const char* kYardstickTypes[] = {"q8_0", "q6_k", "q4_k"};

}  // namespace

std::vector<Yardstick> yardsticks(const GgufModel& model) {
  std::vector<Yardstick> found;
  for (const std::string type : kYardstickTypes) {
    Yardstick yardstick{"yardstick " + type, {parse_rule("w:matrices=" + type)}};
    const auto& format = yardstick.recipe.front().format;
    const auto fallback = quantize_fallback(type);
    std::vector<Rule> exceptions;
    for (std::size_t t = 0; t < model.tensors().size() && !fallback.empty(); ++t) {
      const auto& tensor = model.tensors()[t];
      if (class_of_weight(tensor.name, tensor.shape) != WeightClass::matrix) continue;
      if (row_misfit(format, row_elements(tensor)).empty()) continue;
      exceptions.push_back(parse_rule("w:" + tensor.name + "=" + fallback));
    }
    yardstick.recipe.insert(yardstick.recipe.end(), exceptions.begin(), exceptions.end());
    found.push_back(std::move(yardstick));
  }
  return found;
}

}  // namespace fakequant
