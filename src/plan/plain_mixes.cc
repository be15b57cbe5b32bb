#include "plan/plain_mixes.h"

#include <algorithm>
#include <set>
#include <string>

#include "engine/quantization_mix.h"
#include "error.h"
#include "format/block_types.h"
#include "weights/quantize.h"

namespace fakequant {
namespace {

// Those that need no importance matrix, so that all of them can be told without one.
constexpr const char* kNames[] = {"q2_k",   "q3_k_s", "q3_k_m", "q3_k_l", "iq4_xs", "q4_0",
                                  "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m", "q6_k",   "q8_0"};

// The option of a part whose tensors get these types; null if the study does not have it.
const PlanOption* option_of(const GgufModel& model, const PlanPart& part, const QuantizationMix& mix) {
  const auto type = mix.types.at(part.names.front()).type;
  for (const auto& name : part.names) {
    if (mix.types.at(name).type != type) return nullptr;
  }
  if (model.find_tensor(part.names.front())->type == type) return &part.options.front();
  const auto found = std::find_if(part.options.begin(), part.options.end(), [&](const PlanOption& option) {
    const auto* block_type = option.rule ? option.rule->format.block_type : nullptr;
    return block_type != nullptr && block_type->library == "ggml" && block_type->id == type;
  });
  return found == part.options.end() ? nullptr : &*found;
}

// Sets the sums over the parts, where each has an option and no other tensor changes.
void add_sums(const GgufModel& model, const std::vector<PlanPart>& parts, const QuantizationMix& mix, PlainMix& plain) {
  double kld = 0;
  std::int64_t bits = 0, values = 0;
  std::set<std::string> planned;
  for (const auto& part : parts) {
    planned.insert(part.names.begin(), part.names.end());
    const auto* option = option_of(model, part, mix);
    if (option == nullptr) return;
    kld += option->kld;
    bits += option->bits;
    values += part.values;
  }
  for (const auto& tensor : model.tensors()) {
    if (!planned.contains(tensor.name) && mix.types.at(tensor.name).type != tensor.type) return;
  }
  plain.kld = kld;
  plain.bits = static_cast<double>(bits) / static_cast<double>(std::max<std::int64_t>(1, values));
}

}  // namespace

std::vector<PlainMix> plain_mixes(const GgufModel& model, const std::vector<PlanPart>& parts) {
  std::vector<PlainMix> mixes;
  for (const std::string name : kNames) {
    QuantizeSettings settings;
    QuantizationMix mix;
    try {
      mix = quantization_mix(model, name, {});
    } catch (const Error&) {
      continue;  // llama.cpp does not make it of this model
    }
    settings.mix = name;
    settings.file_type = mix.file_type;
    for (const auto& [tensor, wanted] : mix.types) settings.types[tensor] = {wanted.type, wanted.instead_of};
    const auto file = foretell_quantize(model, {}, settings, "mix.gguf");
    auto& plain = mixes.emplace_back(PlainMix{name, file.output_size, file.bits_per_weight(), {}, {}});
    add_sums(model, parts, mix, plain);
  }
  std::stable_sort(mixes.begin(), mixes.end(),
                   [](const PlainMix& a, const PlainMix& b) { return a.file_size < b.file_size; });
  return mixes;
}

}  // namespace fakequant
