// fakequant study merge: merges studies of the same model and texts.
#include <fmt/format.h>

#include "cli/command.h"
#include "error.h"
#include "report/sweep_report.h"
#include "study/merge_studies.h"
#include "study/study_database.h"

namespace fakequant {
namespace {

struct StudyCommandOptions : CommonOptions {
  std::string action, output;
  std::vector<std::string> studies;
};

void run_study(StudyCommandOptions& options) {
  if (options.action != "merge") {
    throw usage_error(fmt::format("unknown action '{}': write fakequant study merge OUT.db A.db B.db", options.action));
  }
  auto files = study_files(options.output);  // its own content is kept, so it is an input, too
  for (const auto& study : options.studies) {
    for (auto& file : study_files(study)) files.push_back(std::move(file));
  }
  ResultOutput output(options, files);
  const auto result = merge_studies(options.output, options.studies);
  output.write(to_text(result), to_json(result, provenance_of(options)));
}

void add_study_options(Arguments& arguments, StudyCommandOptions& options) {
  arguments.positional("ACTION", options.action, "merge");
  arguments.positional("OUT.db", options.output, "The study that the others are added to; created if missing");
  arguments.positionals("STUDY.db", options.studies, "Studies of the same model and texts");
}

}  // namespace

Command study_command() {
  return {.name = "study",
          .summary = "Merge studies that sweep made",
          .example = "study merge all.db shard1.db shard2.db",
          .add = command_of(add_study_options, run_study)};
}

}  // namespace fakequant
