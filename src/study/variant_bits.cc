#include "study/variant_bits.h"

namespace fakequant {

namespace {

std::int64_t bits_of_site(const Rule& rule, const ValueRows& values) {
  if (rule.pattern.kind == SiteKind::weight) return storage_bits(rule.format, values, ScaledAs::weight);
  if (!is_about_cache(rule) && !is_about_state(rule)) return storage_bits(rule.format, values, ScaledAs::activation);
  const auto format = for_cache(rule.format);
  const auto group = rule.cache_tokens.group;
  if (group == 0) return storage_bits(format, values, ScaledAs::activation);
  // A row is a channel of all tokens of a group, and each token has its share.
  return (storage_bits(format, {values.values(), group}, ScaledAs::activation) + group - 1) / group;
}

}  // namespace

std::int64_t bits_in(const Rule& rule, const std::vector<StudySite>& sites) {
  std::int64_t bits = 0;
  for (const auto& site : sites) bits += bits_of_site(rule, site.values);
  return bits;
}

std::optional<double> bits_per_value(const Rule& rule, const std::vector<StudySite>& sites) {
  std::int64_t values = 0;
  for (const auto& site : sites) values += site.values.values();
  if (values == 0) return std::nullopt;
  return static_cast<double>(bits_in(rule, sites)) / static_cast<double>(values);
}

}  // namespace fakequant
