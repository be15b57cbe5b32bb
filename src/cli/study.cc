// fakequant study: merges studies, shows them, exports them, and says how far their sweeps have come.
#include <fmt/format.h>

#include "cli/command.h"
#include "error.h"
#include "gguf/output_file.h"
#include "report/study_report.h"
#include "report/study_status_report.h"
#include "report/sweep_report.h"
#include "study/merge_studies.h"
#include "study/study_database.h"
#include "study/study_status.h"
#include "sweep/read_study.h"

namespace fakequant {
namespace {

struct StudyCommandOptions : CommonOptions {
  std::string action;
  std::vector<std::string> files;
  std::string query, csv;
};

const std::string& only_study(const StudyCommandOptions& options) {
  if (options.files.size() == 1) return options.files.front();
  throw usage_error(fmt::format("study {} takes one study: {} are given", options.action, options.files.size()));
}

void merge(const StudyCommandOptions& options) {
  if (options.files.size() < 2)
    throw usage_error("name the output and the studies: fakequant study merge OUT.db A.db B.db");
  const auto& target = options.files.front();
  const std::vector<std::string> studies(options.files.begin() + 1, options.files.end());
  auto files = study_files(target);  // its own content is kept, so it is an input, too
  for (const auto& study : studies) {
    for (auto& file : study_files(study)) files.push_back(std::move(file));
  }
  ResultOutput output(options, files);
  const auto result = merge_studies(target, studies);
  output.write(to_text(result), to_json(result, provenance_of(options)));
}

void show(const StudyCommandOptions& options) {
  const auto& path = only_study(options);
  ResultOutput output(options, study_files(path));
  if (options.query.empty()) {
    const auto study = read_study(path);
    return output.write(to_text(study.result), to_json(study.result, provenance_of(options)));
  }
  const StudyDatabase study(path, StudyAccess::read);
  const auto rows = study.query(options.query);
  output.write(to_text(rows), to_json(rows, path, provenance_of(options)));
}

void export_study(const StudyCommandOptions& options) {
  const auto& path = only_study(options);
  ResultOutput output(options, study_files(path), {{"-o", options.csv}});
  const auto study = read_study(path);
  const auto csv = to_csv(study);
  if (options.csv.empty()) return output.write(csv, to_json(study.result, provenance_of(options)));
  OutputFile file(options.csv);
  write_text(file, csv);
  file.commit();
  output.write(fmt::format("{}: {} variants\n", options.csv, study.result.variants.size()),
               to_json(study.result, provenance_of(options)));
}

void show_status(const StudyCommandOptions& options) {
  std::vector<std::string> inputs;
  for (const auto& file : options.files) {
    for (auto& input : study_files(file)) inputs.push_back(std::move(input));
  }
  ResultOutput output(options, inputs);
  const auto status = study_status(options.files, seconds_since_1970());
  output.write(to_text(status), to_json(status, provenance_of(options)));
}

void run_study(StudyCommandOptions& options) {
  if (options.action != "show" && !options.query.empty()) throw usage_error("--query is an option of study show");
  if (options.action != "export" && !options.csv.empty()) throw usage_error("-o is an option of study export");
  if (options.action == "merge") return merge(options);
  if (options.action == "show") return show(options);
  if (options.action == "export") return export_study(options);
  if (options.action == "status") return show_status(options);
  throw usage_error(fmt::format("unknown action '{}': write merge, show, export or status", options.action));
}

void add_study_options(Arguments& arguments, StudyCommandOptions& options) {
  arguments.positional("ACTION", options.action, "merge, show, export or status");
  arguments.positionals(
      "STUDY.db", options.files,
      "A study; of merge the output, created if missing, and studies of the same model and texts; of status studies "
      "or a folder of them");
  arguments.text("--query", "SQL", options.query, "Of show: a SELECT on the tables of the study");
  arguments.text("-o,--output", "FILE.csv", options.csv, "Of export: where to write [stdout]");
}

}  // namespace

Command study_command() {
  return {.name = "study",
          .summary = "Merge studies that sweep made, show them, export them as CSV, or see how far they are",
          .notes =
              "study merge all.db shard1.db shard2.db\n"
              "study show study.db --query 'SELECT recipe, kld, kld_error FROM figures ORDER BY kld'\n"
              "study export study.db -o study.csv\n"
              "study status FOLDER",
          .example = "study show study.db",
          .add = command_of(add_study_options, run_study)};
}

}  // namespace fakequant
