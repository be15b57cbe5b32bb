// fakequant report: the page.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "cli/commands.h"
#include "cli/options.h"
#include "error.h"
#include "gguf/output_file.h"
#include "report/numbers.h"
#include "report/page.h"

namespace fakequant {
namespace {

struct ReportOptions : CommonOptions {
  std::string source;
  std::string page;
};

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

void report(const ReportOptions& options) {
  check_page();
  const auto results = read_page_results(options.source);
  refuse_overwriting(results.read, options.page);
  if (is_same_file(options.json, options.page)) {
    throw usage_error(fmt::format("--json {} is the page itself: name another file", options.json));
  }
  ResultOutput output(options, results.read);
  const auto provenance = provenance_of(options, false);
  const auto page = to_page(results, options.source, provenance);
  write_file(options.page, page);
  output.write(to_text(results, options.page, page.size()), to_json(results, options.page, page.size(), provenance));
}

}  // namespace

void add_report(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "report", "A page of a study or of results, for any browser, without a network");
  auto options = std::make_shared<ReportOptions>();
  options->command_line = command_line;
  arguments.positional("SOURCE", options->source,
                       "A study, or a folder with studies and what commands wrote with --json");
  arguments.text("-o,--output", "PAGE.html", options->page, "The page, one file", Required::yes);
  add_common_options(arguments, *options);
  arguments.footer(
      "A folder that experiment made is shown whole: divergence, drift, prompts, speed and weights.\n"
      "Example: fakequant report study.db -o study.html");
  arguments.run([options] { report(*options); });
}

}  // namespace fakequant
