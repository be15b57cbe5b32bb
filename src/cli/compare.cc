// fakequant compare: two models, tensor by tensor.
#include "weights/compare.h"

#include "cli/command.h"
#include "error.h"
#include "report/compare_report.h"

namespace fakequant {
namespace {

struct CompareOptions : CommonOptions {
  std::string a, b;
  FailConditions conditions;
};

void run_compare(CompareOptions& options) {
  options.conditions.parse();
  if (is_safetensors(options.a)) {
    throw usage_error(
        "the first model must be a GGUF file, to whose names those of the second are converted: exchange the two");
  }
  const GgufModel a(options.a);
  std::optional<GgufModel> gguf;
  std::optional<SafetensorsModel> safetensors;
  auto inputs = a.paths();
  const auto add_inputs = [&](const std::vector<std::string>& more) {
    inputs.insert(inputs.end(), more.begin(), more.end());
  };
  if (is_safetensors(options.b)) {
    add_inputs(safetensors.emplace(options.b).files());
  } else {
    add_inputs(gguf.emplace(options.b).paths());
  }
  ResultOutput output(options, inputs);
  const auto comparison = [&] {
    ProgressLine progress(options, "compare");
    return gguf ? compare(a, *gguf, options.compute.threads, progress.callback())
                : compare(a, *safetensors, options.compute.threads, progress.callback());
  }();
  const auto json = to_json(comparison, provenance_of(options));
  output.write(to_text(comparison), json);
  options.conditions.check(json);
}

void add_compare_options(Arguments& arguments, CompareOptions& options) {
  arguments.positional("A", options.a, "A GGUF file");
  arguments.positional("B", options.b, "Another, or the safetensors (a file, an index, a folder) that A was made from");
  options.conditions.add_option(arguments,
                                {"max_rel", "max_abs", "mean_abs", "rmse", "sqnr_db", "cosine", "changed", "not_finite",
                                 "only_in_a", "only_in_b", "reshaped", "metadata_differs", "not_comparable"},
                                "max_rel>0.01");
}

}  // namespace

Command compare_command() {
  return {.name = "compare",
          .summary = "The differences between two models, tensor by tensor",
          .notes = "A split model is named by one of its parts.",
          .example = "compare model.gguf rounded.gguf --fail-if 'max_rel>0.01'",
          .add = command_of(add_compare_options, run_compare)};
}

}  // namespace fakequant
