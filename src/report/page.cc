#include "report/page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "error.h"
#include "report/numbers.h"
#include "report/printable_text.h"
#include "report/score_figures.h"

namespace fakequant {
namespace {

// The placeholder of the results.
constexpr std::string_view kPlaceholder = R"(<script type="application/json" id="fakequant-data">null</script>)";
constexpr std::string_view kNull = "null";

std::string script_text(const Json& json) {
  std::string text;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

void check_page(const PageTemplate& page) {
  if (page.html.empty()) throw Error(std::string(page.missing));
}

std::string to_page(const PageResults& results, const std::string& source, const Provenance& provenance,
                    const PageTemplate& page) {
  check_page(page);
  const auto place = page.html.find(kPlaceholder);
  if (place == std::string_view::npos) throw Error("the embedded page has no placeholder for results: build it again");
  Json json;
  json["schema"] = "fakequant.page/1";
  json["source"] = source;
  json["command"] = provenance.command;
  json["version"] = provenance.version;
  json["quantities"] = quantities_json();
  json["results"] = Json::array();
  for (const auto& [file, result] : results.shown) json["results"].push_back({{"file", file}, {"result", result}});
  json["left_out"] = Json::array();
  for (const auto& [file, why] : results.left_out) json["left_out"].push_back({{"file", file}, {"why", why}});
  const auto null = place + kPlaceholder.find(kNull);
  return std::string(page.html.substr(0, null)) + script_text(json) +
         std::string(page.html.substr(null + kNull.size()));
}

std::string to_text(const PageResults& results, const std::string& page, std::size_t bytes) {
  std::vector<std::string> files;
  for (const auto& [file, result] : results.shown) {
    if (files.empty() || files.back() != file) files.push_back(file);
  }
  auto text =
      fmt::format("{}: {}, of {}\n", page, bytes_text(bytes), printable(fmt::format("{}", fmt::join(files, ", "))));
  for (const auto& [file, why] : results.left_out)
    text += printable(fmt::format("Not shown: {}: {}", file, why)) + "\n";
  return text;
}

Json to_json(const PageResults& results, const std::string& page, std::size_t bytes, const Provenance& provenance) {
  auto json = json_file("report", results.shown.front().result["model"].get<std::string>(), provenance);
  json["page"] = page;
  json["bytes"] = bytes;
  json["shown"] = Json::array();
  for (const auto& [file, result] : results.shown) {
    json["shown"].push_back({{"file", file}, {"schema", result["schema"]}});
  }
  json["left_out"] = Json::array();
  for (const auto& [file, why] : results.left_out) json["left_out"].push_back({{"file", file}, {"why", why}});
  return json;
}

}  // namespace fakequant
