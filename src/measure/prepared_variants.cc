#include "measure/prepared_variants.h"

#include "gguf/tensor_type.h"
#include "measure/weights_in_place.h"
#include "weights/weight_bits.h"

namespace fakequant {

RoundedWeights suitable_for(const ComputeOptions& compute) {
  // A server keeps the last graph, and computes it again with the tensors that it had.
  if (names_servers(compute.devices)) return RoundedWeights::copied;
  return RoundedWeights::in_place;
}

ApplySettings storage_to_compute_with(ApplySettings asked, const ComputeOptions& compute) {
  if (compute.arithmetic == Arithmetic::f32 && !asked.promote_to && !asked.requantize) {
    asked.promote_to = plain_float_type("f32");
  }
  return asked;
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
    const auto changes = weights_ == RoundedWeights::copied ? nullptr : rounding_in_place(model_, rules, storage_);
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

ApplyResult PreparedVariants::change_loaded(const std::shared_ptr<WeightRounding>& rounding, const std::string& rules,
                                            Variant& variant) {
  ApplyResult result;
  result.model = model_.path();
  result.recipe = rules;
  result.tensors_copied = static_cast<std::int64_t>(model_.tensors().size() - rounding->storage_types().size());
  const auto changed = round_in_place(model_, rounding, {.threads = threads_, .memory = memory_}, result);
  memory_.bytes -= changed.bytes;
  variant.weights = changed.weights;
  return result;
}

}  // namespace fakequant
