#include "study/variant_bits.h"

namespace fakequant {

std::int64_t bits_in(const Rule& rule, const std::vector<StudySite>& sites) {
  const auto scaled = rule.pattern.kind == SiteKind::weight ? ScaledAs::weight : ScaledAs::activation;
  std::int64_t bits = 0;
  for (const auto& site : sites) bits += storage_bits(rule.format, site.values, scaled);
  return bits;
}

std::optional<double> bits_per_value(const Rule& rule, const std::vector<StudySite>& sites) {
  std::int64_t values = 0;
  for (const auto& site : sites) values += site.values.values();
  if (values == 0) return std::nullopt;
  return static_cast<double>(bits_in(rule, sites)) / static_cast<double>(values);
}

}  // namespace fakequant
