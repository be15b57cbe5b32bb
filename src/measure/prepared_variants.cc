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

std::optional<ApplyResult> PreparedVariants::add(const std::string& name, const Recipe& recipe,
                                                 const OwnAttention& attention) {
  const auto rules = to_string(recipe);
  Variant variant{name,
                  model_.paths(),
                  rules_of_kind(recipe, SiteKind::activation),
                  rules + (rules.empty() || attention.text.empty() ? "" : " ") + attention.text,
                  {},
                  weight_bits(model_, recipe).per_value()};
  variant.attention = attention.options;
  std::optional<ApplyResult> rounding;
  if (const auto rules = rules_of_kind(recipe, SiteKind::weight); !rules.empty()) {
    const auto changes = weights_ == RoundedWeights::copied ? nullptr : roundings_in_place(rules);
    rounding = changes ? change_loaded(changes, to_string(rules), variant) : copy_model(rules, variant);
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

// Null where a quantized type is stored, which llama.cpp may pack anew for its kernels when it loads a model.
std::shared_ptr<WeightRounding> PreparedVariants::roundings_in_place(const Recipe& rules) const {
  auto rounding = std::make_shared<WeightRounding>(model_, rules, storage_);
  const auto& types = rounding->storage_types();
  const bool is_quantized_again =
      std::any_of(types.begin(), types.end(), [](const auto& stored) { return is_quantized(stored.second); });
  return is_quantized_again ? nullptr : rounding;
}

// Tensors that are worth it, in a format that rounds at the speed of memory.
bool PreparedVariants::is_streamed(const WeightRounding& rounding, std::size_t tensor) const {
  if (weights_ != RoundedWeights::streamed || model_.tensors()[tensor].elements < min_streamed_) return false;
  const auto rounder = rounding.rounders().find(tensor);
  return rounder != rounding.rounders().end() && rounds_fast(rounder->second.format());
}

ApplyResult PreparedVariants::change_loaded(const std::shared_ptr<WeightRounding>& rounding, const std::string& rules,
                                            Variant& variant) const {
  rounding->find_scales(threads_);
  ApplyResult result;
  result.model = model_.path();
  result.recipe = rules;
  result.tensors_copied = static_cast<std::int64_t>(model_.tensors().size() - rounding->storage_types().size());
  ChangedWeights weights;
  std::map<std::size_t, std::size_t> index;  // among the changed weights, by tensor
  TensorPieces pieces;
  for (const auto& [tensor, type] : rounding->storage_types()) {
    const auto& info = model_.tensors()[tensor];
    index[tensor] = weights.size();
    pieces.add(tensor, info, rounding->cut(tensor));
    result.tensors.push_back(rounding->description(tensor));
    auto& weight = weights.emplace_back();
    weight.name = info.name;
    weight.type = type;
    if (is_streamed(*rounding, tensor)) {
      weight.change = [rounding, t = tensor](std::int64_t first, std::span<float> values) {
        rounding->change({t, first, static_cast<std::int64_t>(values.size())}, values);
      };
    } else {
      weight.bytes = std::make_shared<TensorBytes>(stored_bytes(type, info.elements));
    }
  }
  const auto round_piece = [&](std::int64_t i) {
    const auto piece = pieces[i];
    const auto& weight = weights[index.at(piece.tensor)];
    auto rounded = rounding->round(piece);
    if (weight.bytes) {
      const auto at = static_cast<std::ptrdiff_t>(stored_bytes(weight.type, piece.first_element));
      std::copy(rounded.bytes.begin(), rounded.bytes.end(), weight.bytes->bytes().begin() + at);
    }
    return rounded.errors;
  };
  const auto fold = [&](std::int64_t i, const TensorRounding& errors) {
    add_piece(result.tensors[index.at(pieces[i].tensor)], errors);
  };
  parallel_fold(pieces.size(), threads_, round_piece, fold);
  variant.weights = std::make_shared<const ChangedWeights>(std::move(weights));
  return result;
}

}  // namespace fakequant
