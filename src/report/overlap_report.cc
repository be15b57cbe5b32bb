#include "report/overlap_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {

Json to_json(const std::vector<TextOverlap>& overlaps) {
  auto json = Json::array();
  for (const auto& [file, text, share] : overlaps) json.push_back({{"file", file}, {"text", text}, {"share", share}});
  return json;
}

std::string overlap_line(const std::vector<TextOverlap>& overlaps) {
  const auto is_less = [](const TextOverlap& a, const TextOverlap& b) { return a.share < b.share; };
  const auto most = std::max_element(overlaps.begin(), overlaps.end(), is_less);
  if (most == overlaps.end() || most->share < kLeastOverlap) return {};
  const auto others = std::count_if(overlaps.begin(), overlaps.end(),
                                    [](const TextOverlap& overlap) { return overlap.share >= kLeastOverlap; }) -
                      1;
  const auto more = others == 0 ? std::string() : fmt::format(" (and {} like it)", plural(others, "pair"));
  return fmt::format(
      "{:.0f} % of {} is in the text that {} was calibrated on{}: figures on it are better than on other texts\n",
      std::max(1.0, std::round(100 * most->share)), printable(most->text), printable(most->file), more);
}

}  // namespace fakequant
