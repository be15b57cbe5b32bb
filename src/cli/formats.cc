// fakequant formats: the properties of each number format, and how it rounds given values.
#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "cli/command.h"
#include "error.h"
#include "number_of_text.h"
#include "report/formats_report.h"

namespace fakequant {
namespace {

struct FormatsOptions : CommonOptions {
  std::string format;
  std::vector<std::string> values;
};

// "0.3", "-1e-9", "inf", "nan".
double number_of(std::string_view text) {
  const auto value = number_of_text<double>(text.starts_with('+') ? text.substr(1) : text);
  const bool too_large = value && std::isfinite(*value) && std::isinf(static_cast<float>(*value));
  if (!value || too_large) {
    throw usage_error(
        fmt::format("--round {} is not a number that float32 can represent: give for example 0.3, inf or nan", text));
  }
  return *value;
}

void run_formats(FormatsOptions& options) {
  if (options.format.empty() && !options.values.empty()) {
    throw usage_error("--round needs a format: name it, as in fakequant formats e4m3 --round 0.3");
  }
  ResultOutput output(options, {});
  const auto provenance = provenance_of(options);
  if (options.format.empty()) {
    const auto all = all_format_facts();
    output.write(
        to_text(all) +
            "`fakequant formats NAME` describes one of them; --round VALUE shows the result of rounding a value.\n",
        formats_json(all, {}, provenance));
    return;
  }
  const auto format = parse_format(options.format);
  if (!format.importance_file.empty()) {
    throw usage_error("imatrix= weights the columns of a tensor, and there is no tensor here: leave it out");
  }
  refuse_what_needs_products(format);
  if (uses_hessian(format)) {
    throw usage_error("fit=gptq rounds a matrix as a whole, and there is no matrix here: leave it out");
  }
  const std::vector<FormatFacts> facts = {facts_of(format)};
  std::vector<double> values;
  for (const auto& text : options.values) values.push_back(number_of(text));
  const auto examples = values.empty() ? std::vector<FormatExample>() : examples_of(format, values);
  output.write(to_text(facts) + (examples.empty() ? "" : "\n" + examples_text(format, examples)),
               formats_json(facts, examples, provenance));
}

void add_formats_options(Arguments& arguments, FormatsOptions& options) {
  arguments.positional("NAME", options.format, "A format, with its options: e4m3, int4,mode=asym", Required::no);
  arguments.texts("--round", "VALUE", options.values,
                  "Show how the format rounds a value; repeat it for several values of a row");
}

}  // namespace

Command formats_command() {
  return {.name = "formats",
          .summary = "The properties of each number format, and how it rounds a value",
          .example = "formats e4m3 --round 0.3 --round 449",
          .add = command_of(add_formats_options, run_formats)};
}

}  // namespace fakequant
