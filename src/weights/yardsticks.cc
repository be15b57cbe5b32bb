#include "weights/yardsticks.h"

#include "format/block_types.h"
#include "recipe/weight_class.h"
#include "weights/weight_sites.h"

namespace fakequant {
namespace {

struct Type {
  const char* name;
  const char* fallback;  // llama-quantize's, whose block is shorter
};
constexpr Type kTypes[] = {{"q8_0", nullptr}, {"q6_k", "q8_0"}, {"q4_k", "q5_0"}};

}  // namespace

std::vector<Yardstick> yardsticks(const GgufModel& model) {
  std::vector<Yardstick> found;
  const auto sites = weight_sites(model);
  for (const auto& type : kTypes) {
    Yardstick yardstick{std::string("yardstick ") + type.name, {parse_rule(std::string("w:matrices=") + type.name)}};
    const auto* block_type = find_block_type(type.name);
    for (std::size_t t = 0; t < sites.size() && type.fallback != nullptr; ++t) {
      const auto& tensor = model.tensors()[t];
      const bool is_matrix = class_of_weight(tensor.name, tensor.shape) == WeightClass::matrix;
      if (!is_matrix || row_elements(tensor) % block_type->block == 0) continue;
      yardstick.recipe.push_back(parse_rule("w:" + tensor.name + "=" + type.fallback));
    }
    found.push_back(std::move(yardstick));
  }
  return found;
}

}  // namespace fakequant
