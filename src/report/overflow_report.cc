#include "report/overflow_report.h"

#include <fmt/format.h>

#include "report/numbers.h"

namespace fakequant {
namespace {

std::string text_of(const Overflow& overflow, const std::vector<std::string>& texts) {
  const auto index = static_cast<std::size_t>(overflow.position.text);
  return index < texts.size() ? texts[index] : fmt::format("text {}", overflow.position.text);
}

}  // namespace

Json overflow_json(const std::optional<Overflow>& overflow, const std::vector<std::string>& texts) {
  if (!overflow) return nullptr;
  return {{"text", text_of(*overflow, texts)},
          {"chunk", overflow->position.chunk},
          {"token", overflow->token},
          {"site", overflow->site.empty() ? Json(nullptr) : Json(overflow->site)}};
}

std::string overflow_line(const std::string& name, const Overflow& overflow, const std::vector<std::string>& texts) {
  const auto site = overflow.site.empty()
                        ? std::string()
                        : fmt::format(", after the rounding at {} gave NaN or infinity", printable(overflow.site));
  return fmt::format("{} overflows: a logit is NaN or infinite, first at token {} of chunk {} of {}{}.\n",
                     printable(name), overflow.token, overflow.position.chunk, printable(text_of(overflow, texts)),
                     site);
}

}  // namespace fakequant
