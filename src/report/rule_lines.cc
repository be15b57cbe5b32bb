#include "report/rule_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {

std::string rule_lines(const std::vector<WeightsOfRule>& rules, const std::string& variant) {
  std::string text;
  for (const auto& rule : rules) {
    std::vector<std::string> parts;
    for (const auto& [weight_class, count] : rule.taken) parts.push_back(counted(weight_class, count));
    text += printable(fmt::format(
                "{}{}: {}{}", variant.empty() ? "" : variant + ": ", rule.rule,
                parts.empty() ? "nothing, later rules take it all" : fmt::format("{}", fmt::join(parts, ", ")),
                rule.has_tied_embedding ? "; the embedding is also the output" : "")) +
            "\n";
  }
  return text;
}

}  // namespace fakequant
