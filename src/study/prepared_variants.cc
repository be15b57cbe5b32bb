#include "study/prepared_variants.h"

namespace fakequant {

std::optional<ApplyResult> PreparedVariants::add(const std::string& name, const Recipe& recipe) {
  Variant variant{name, file_.path(), rules_of_kind(recipe, SiteKind::activation), to_string(recipe)};
  std::optional<ApplyResult> rounding;
  if (const auto weights = rules_of_kind(recipe, SiteKind::weight); !weights.empty()) {
    const auto& copy = files_.emplace_back(name);
    rounding = apply_to_descriptor(file_, weights, copy.fd(), "the rounded copy in memory", threads_);
    variant.model_path = copy.path();
  }
  variants_.push_back(std::move(variant));
  return rounding;
}

}  // namespace fakequant
