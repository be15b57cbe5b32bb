// The report of an experiment in Markdown, and the JSON of its steps and its environment.
#pragma once

#include <string>
#include <vector>

#include "experiment/experiment.h"
#include "report/json_file.h"

namespace fakequant {

Json to_json(const Environment& environment, const std::string& model, const Provenance& provenance);

// Everything that was found, for a reader who did not run it.
std::string to_markdown(const ExperimentResult& result, const Provenance& provenance);

// A file of an experiment's folder.
struct NamedJson {
  std::string name;
  Json json;
};

// The files of a step that has been run: "eval.json", or one for each variant.
std::vector<NamedJson> step_files(ExperimentStep step, const ExperimentResult& result, const Provenance& provenance);

// The names of all files that an experiment can write into its folder.
std::vector<std::string> experiment_files();

// The result of the command, with the results of the steps that measure. `folder`: where the files are.
Json to_json(const ExperimentResult& result, const std::string& folder, const Provenance& provenance);

// The page beside the report: its path, or why there is none.
struct ExperimentPage {
  std::string path = {};
  std::string missing = {};
};

// For the terminal, after the report: where it and the page are.
std::string files_text(const std::string& report_path, const ExperimentPage& page);

}  // namespace fakequant
