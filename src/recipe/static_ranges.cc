#include "recipe/static_ranges.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "error.h"
#include "foreign_file.h"
#include "json.h"
#include "recipe/nearest_words.h"

namespace fakequant {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse_ranges(const std::string& path, const std::string& why) {
  throw Error(fmt::format("{} is not a valid ranges file: {}: make it with fakequant calibrate", path, why));
}

// The file's JSON down to the fields of each site, without what is nested in them: channels make the file long.
Json parse_fields(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_fifo(path, ignored)) {
    throw Error(
        fmt::format("cannot read the ranges {}: it is a pipe, and ranges are read several times: name a file", path));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  file.peek();  // opening a folder succeeds, reading it does not
  if (errno != 0) {
    throw Error(fmt::format("cannot read the ranges {}: {}; calibrate -o writes them", path, std::strerror(errno)));
  }
  if (const auto kind = foreign_kind(beginning_of(path)); !kind.empty()) {
    throw Error(fmt::format("{} is {}", path, kind));
  }
  // The file is at depth 0, its fields at 1, a site at 2, a site's fields at 3.
  const auto is_kept = [](int depth, Json::parse_event_t event, const Json&) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    return depth < 3 || (depth == 3 && !opens);
  };
  auto json = Json::parse(file, is_kept, false);
  if (json.is_discarded() || !json.is_object()) refuse_ranges(path, "it is not a JSON object");
  return json;
}

float bound_of(const std::string& path, const std::string& site, const Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_number())
    refuse_ranges(path, fmt::format("site '{}' has no number '{}'", site, key));
  const auto bound = static_cast<float>(found->get<double>());
  if (!std::isfinite(bound))
    refuse_ranges(path, fmt::format("'{}' of site '{}' is more than float32 can hold", key, site));
  return bound;
}

}  // namespace

StaticRanges::StaticRanges(const std::string& path) : path_(path) {
  const auto json = parse_fields(path);
  const auto schema = json.find("schema");
  if (schema == json.end() || *schema != kRangesSchema)
    refuse_ranges(path, fmt::format("its schema is not {}", kRangesSchema));
  if (const auto sample = json.find("text_sample"); sample != json.end() && sample->is_string()) text_sample_ = *sample;
  const auto sites = json.find("sites");
  if (sites == json.end() || !sites->is_array()) refuse_ranges(path, "it has no list 'sites'");
  for (const auto& entry : *sites) {
    const auto name = entry.is_object() ? entry.find("site") : entry.end();
    if (name == entry.end() || !name->is_string()) refuse_ranges(path, "one of its sites has no name 'site'");
    const auto site = name->get<std::string>();
    const auto low = bound_of(path, site, entry, "low"), high = bound_of(path, site, entry, "high");
    if (low > high) refuse_ranges(path, fmt::format("site '{}' has a range from {} down to {}", site, low, high));
    ValueRange range;
    range.widen({low, high});
    if (!ranges_.emplace(site, range).second) refuse_ranges(path, fmt::format("site '{}' occurs twice", site));
  }
}

ValueRange StaticRanges::at(std::string_view site) const {
  const auto found = ranges_.find(site);
  if (found != ranges_.end()) return found->second;
  std::set<std::string> names;
  for (const auto& [name, range] : ranges_) names.insert(name);
  const auto hint =
      names.empty() ? "it has none" : fmt::format("the nearest are {}", fmt::join(nearest_words(site, names), ", "));
  throw usage_error(
      fmt::format("{} has no range for {}: {}; calibrate with a rule that selects it", path_, site, hint));
}

}  // namespace fakequant
