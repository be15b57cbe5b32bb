#include "measure/prepared_variants.h"

#include <algorithm>
#include <map>

#include "format/format_properties.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "weights/weight_bits.h"

namespace fakequant {

RoundedWeights suitable_for(const ComputeOptions& compute) {
  if (names_devices(compute.devices)) return RoundedWeights::copied;
  return compute.arithmetic == Arithmetic::f32 ? RoundedWeights::streamed : RoundedWeights::resident;
}

void PreparedVariants::add_model(const std::string& name, const GgufModel& model) {
  variants_.push_back({name, model.paths(), {}, {}, model.path(), weight_bits(model, {}).per_value()});
}

std::optional<ApplyResult> PreparedVariants::add(const std::string& name, const Recipe& recipe) {
  Variant variant{name,
                  model_.paths(),
                  rules_of_kind(recipe, SiteKind::activation),
                  to_string(recipe),
                  {},
                  weight_bits(model_, recipe).per_value()};
  std::optional<ApplyResult> rounding;
  if (const auto rules = rules_of_kind(recipe, SiteKind::weight); !rules.empty()) {
    const auto plan = plan_rounding(model_, rules, storage_);
    const bool is_quantized_again =
        std::any_of(plan.begin(), plan.end(), [](const auto& p) { return is_quantized(p.stored_as); });
    rounding = weights_ == RoundedWeights::copied || is_quantized_again ? copy_model(rules, variant)
                                                                        : change_loaded(rules, variant);
  }
  variants_.push_back(std::move(variant));
  return rounding;
}

ApplyResult PreparedVariants::copy_model(const Recipe& rules, Variant& variant) {
  const std::string what = "the rounded copy in memory";
  std::vector<RewriteTarget> targets;
  for (std::size_t part = 0; part < model_.parts().size(); ++part) {
    const auto& copy = files_.emplace_back(variant.name);
    targets.push_back({copy.fd(), what});
    variant.model.resize(part);
    variant.model.push_back(copy.path());
  }
  return apply_to_targets(model_, rules, storage_, targets, threads_);
}

// Tensors that are worth it, in a format that rounds at the speed of memory.
bool PreparedVariants::is_streamed(const WeightRounding& rounding, std::size_t tensor) const {
  if (weights_ != RoundedWeights::streamed || model_.tensors()[tensor].elements < min_streamed_) return false;
  const auto rounder = rounding.rounders().find(tensor);
  return rounder != rounding.rounders().end() && rounds_fast(rounder->second.format());
}

ApplyResult PreparedVariants::change_loaded(const Recipe& rules, Variant& variant) const {
  const auto rounding = std::make_shared<WeightRounding>(model_, rules, storage_);
  rounding->find_scales(threads_);
  ApplyResult result;
  result.model = model_.path();
  result.recipe = to_string(rules);
  result.tensors_copied = static_cast<std::int64_t>(model_.tensors().size() - rounding->storage_types().size());
  ChangedWeights weights;
  std::vector<std::shared_ptr<TensorBytes>> bytes;  // null for those that are streamed
  std::map<std::size_t, std::size_t> index;         // by tensor
  TensorPieces pieces;
  for (const auto& [tensor, type] : rounding->storage_types()) {
    index[tensor] = weights.size();
    pieces.add(tensor, model_.tensors()[tensor], rounding->cut(tensor));
    result.tensors.push_back(rounding->description(tensor));
    auto& weight = weights.emplace_back();
    weight.name = model_.tensors()[tensor].name;
    weight.type = type;
    if (is_streamed(*rounding, tensor)) {
      weight.change = [rounding, t = tensor](std::int64_t first, std::span<float> values) {
        rounding->change({t, first, static_cast<std::int64_t>(values.size())}, values);
      };
    } else {
      const auto size = stored_bytes(type, model_.tensors()[tensor].elements);
      weight.bytes = bytes.emplace_back(std::make_shared<TensorBytes>(size));
    }
    if (!weight.bytes) bytes.emplace_back();
  }
  parallel_fold(
      pieces.size(), threads_,
      [&](std::int64_t i) {
        const auto piece = pieces[i];
        const auto rounded = rounding->round(piece);
        if (const auto& to = bytes[index.at(piece.tensor)]) {
          const auto at = stored_bytes(rounding->storage_types().at(piece.tensor), piece.first_element);
          std::copy(rounded.bytes.begin(), rounded.bytes.end(), to->bytes().begin() + static_cast<std::ptrdiff_t>(at));
        }
        return rounded.errors;
      },
      [&](std::int64_t i, const TensorRounding& errors) {
        add_piece(result.tensors[index.at(pieces[i].tensor)], errors);
      });
  variant.weights = std::make_shared<const ChangedWeights>(std::move(weights));
  return result;
}

}  // namespace fakequant
