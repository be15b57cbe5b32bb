// fakequant compare: two models, tensor by tensor.
#include "weights/compare.h"

#include "cli/commands.h"
#include "cli/options.h"
#include "gguf/gguf_file.h"
#include "report/compare_report.h"

namespace fakequant {
namespace {

struct CompareOptions : CommonOptions {
  std::string a, b;
};

void compare_files(const CompareOptions& options) {
  const GgufFile a(options.a), b(options.b);
  ResultOutput output(options, {options.a, options.b});
  const auto comparison = [&] {
    ProgressLine progress(options, "compare");
    return compare(a, b, options.threads, progress.callback());
  }();
  output.write(to_text(comparison), to_json(comparison, provenance_of(options, false)));
}

}  // namespace

void add_compare(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "compare", "What differs between two models, tensor by tensor");
  auto options = std::make_shared<CompareOptions>();
  options->command_line = command_line;
  arguments.positional("A", options->a, "A GGUF file");
  arguments.positional("B", options->b, "Another GGUF file");
  add_common_options(arguments, *options);
  arguments.footer("Example: fakequant compare model.gguf rounded.gguf");
  arguments.run([options] { compare_files(*options); });
}

}  // namespace fakequant
