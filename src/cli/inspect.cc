// fakequant inspect: the census of a model's weights.
#include "cli/commands.h"
#include "cli/options.h"
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

void inspect(const InspectOptions& options) {
  const GgufModel model(options.model);
  ResultOutput output(options, model.paths());
  const auto census = [&] {
    ProgressLine progress(options, "inspect");
    return take_census(model, options.select, options.threads, progress.callback());
  }();
  output.write(to_text(census, options.all ? Layers::all : Layers::folded),
               to_json(census, provenance_of(options, false)));
}

}  // namespace

void add_inspect(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "inspect", "What precision the weights of a model really have");
  auto options = std::make_shared<InspectOptions>();
  options->command_line = command_line;
  arguments.positional("MODEL", options->model, "A GGUF file");
  arguments.text("--select", "GLOB", options->select, "Only tensors of such a name: 'blk.*.ffn_*.weight'");
  arguments.flag("--all", options->all, "A row for each tensor, not one for all layers");
  add_common_options(arguments, *options);
  arguments.footer(
      "A split model is named by one of its parts.\n"
      "Example: fakequant inspect model.gguf");
  arguments.run([options] { inspect(*options); });
}

}  // namespace fakequant
