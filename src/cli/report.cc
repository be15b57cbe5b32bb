// fakequant report: a page with charts.
#include <fmt/format.h>

#include "cli/command.h"
#include "error.h"
#include "gguf/output_file.h"
#include "report/page.h"

namespace fakequant {
namespace {

struct ReportOptions : CommonOptions {
  std::string source;
  std::string page;
};

void run_report(ReportOptions& options) {
  check_page();
  const auto results = read_page_results(options.source);
  if (is_same_file(options.json, options.page)) {
    throw usage_error(fmt::format("--json {} is the page itself: name another file", options.json));
  }
  ResultOutput output(options, results.read, {{"-o", options.page}});
  OutputFile page_file(options.page);
  const auto provenance = provenance_of(options);
  const auto page = to_page(results, options.source, provenance);
  write_text(page_file, page);
  page_file.commit();
  output.write(to_text(results, options.page, page.size()), to_json(results, options.page, page.size(), provenance));
}

void add_report_options(Arguments& arguments, ReportOptions& options) {
  arguments.positional("SOURCE", options.source,
                       "A study, or a folder with studies and what commands wrote with --json");
  arguments.text("-o,--output", "PAGE.html", options.page, "The page, one file", Required::yes);
}

}  // namespace

Command report_command() {
  return {.name = "report",
          .summary = "A page with charts of a study or results, for any browser, without a network",
          .notes = "A folder that experiment made is shown whole: divergence, drift, prompts, speed and weights.",
          .example = "report study.db -o study.html",
          .add = command_of(add_report_options, run_report)};
}

}  // namespace fakequant
