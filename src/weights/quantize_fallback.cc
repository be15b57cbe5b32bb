#include "weights/quantize_fallback.h"

#include <map>

namespace fakequant {

std::string quantize_fallback(const std::string& type) {
  static const std::map<std::string, std::string> fallbacks = {
      {"q4_k", "q5_0"},    {"q5_k", "q5_1"},      {"q6_k", "q8_0"},      {"q2_k", "q4_0"},
      {"q3_k", "q4_0"},    {"q2_0", "q4_0"},      {"iq2_xxs", "iq4_nl"}, {"iq2_xs", "iq4_nl"},
      {"iq2_s", "iq4_nl"}, {"iq3_xxs", "iq4_nl"}, {"iq3_s", "iq4_nl"},   {"iq1_s", "iq4_nl"},
      {"iq1_m", "iq4_nl"}, {"iq4_xs", "iq4_nl"},  {"tq1_0", "q4_0"},     {"tq2_0", "q4_0"}};
  const auto found = fallbacks.find(type);
  return found == fallbacks.end() ? "" : found->second;
}

}  // namespace fakequant
