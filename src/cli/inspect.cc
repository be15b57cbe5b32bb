// fakequant inspect: the census of a model's weights.
#include "cli/command.h"
#include "gguf/gguf_model.h"
#include "report/census_report.h"
#include "weights/census.h"

namespace fakequant {
namespace {

struct InspectOptions : CommonOptions {
  std::string model;
  std::string select = "*";
  bool all = false;
};

void run_inspect(InspectOptions& options) {
  const GgufModel model(options.model);
  ResultOutput output(options, model.paths());
  const auto census = [&] {
    ProgressLine progress(options, "inspect");
    return take_census(model, options.select, options.compute.threads, progress.callback());
  }();
  output.write(to_text(census, options.all ? Layers::all : Layers::folded), to_json(census, provenance_of(options)));
}

void add_inspect_options(Arguments& arguments, InspectOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.text("--select", "GLOB", options.select, "Only tensors whose names match: 'blk.*.ffn_*.weight'");
  arguments.flag("--all", options.all, "A row for each tensor instead of one for all layers");
}

}  // namespace

Command inspect_command() {
  return {.name = "inspect",
          .summary = "The precision that the weights of a model really have",
          .notes = "A split model is named by one of its parts.",
          .example = "inspect model.gguf",
          .add = command_of(add_inspect_options, run_inspect)};
}

}  // namespace fakequant
