#include "measure/prepared_variants.h"

#include "weights/weight_bits.h"

namespace fakequant {

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
  if (const auto weights = rules_of_kind(recipe, SiteKind::weight); !weights.empty()) {
    const std::string what = "the rounded copy in memory";
    std::vector<RewriteTarget> targets;
    for (std::size_t part = 0; part < model_.parts().size(); ++part) {
      const auto& copy = files_.emplace_back(name);
      targets.push_back({copy.fd(), what});
      variant.model.resize(part);
      variant.model.push_back(copy.path());
    }
    rounding = apply_to_targets(model_, weights, storage_, targets, threads_);
  }
  variants_.push_back(std::move(variant));
  return rounding;
}

}  // namespace fakequant
