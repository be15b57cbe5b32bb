// fakequant bench: the cost of the rounding in speed.
#include "measure/bench.h"

#include "cli/command.h"
#include "cli/measurement.h"
#include "measure/paired_ratio.h"
#include "report/bench_report.h"

namespace fakequant {
namespace {

struct BenchCommandOptions : MeasurementOptions {
  BenchOptions bench;
};

void run_bench(BenchCommandOptions& options) {
  MeasurementPlan plan{
      .command = "bench", .variants = variants_of(options.rules, options.variants), .arithmetic = Arithmetic::native};
  plan.weights = RoundedWeights::copied;  // a variant is a model of its own, whose loading is measured too
  run_measurement(options, plan, [&](const Measurement& measurement, ProgressLine& line) {
    options.bench.compute = options.compute;
    const auto result =
        bench(measurement.model.paths(), measurement.prepared.variants(), options.bench, line.callback());
    return Report{to_text(result), to_json(result, measurement.provenance)};
  });
}

void add_bench_options(Arguments& arguments, BenchCommandOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.number("--prompt-tokens", options.bench.prompt_tokens, 1, 1 << 20,
                   "Tokens of the prompt [half of the default context]");
  arguments.number("--decode-tokens", options.bench.decode_tokens, 1, 1 << 20,
                   "Tokens decoded one by one [32, or what the context has room for]");
  arguments.number("--repetitions", options.bench.repetitions, kFewestPairs, 1 << 20,
                   "Rounds in which baseline and variant take turns");
  add_measurement_options(arguments, options, SeveralVariants::offered, Arithmetic::native);
  options.conditions.add_option(arguments,
                                {"prompt.ratio_low", "prompt.ratio", "prompt.ratio_high", "decode.ratio_low",
                                 "decode.ratio", "decode.ratio_high"},
                                "prompt.ratio_low>1.5");
}

}  // namespace

Command bench_command() {
  return {.name = "bench",
          .summary = "The cost of the rounding in speed",
          .notes =
              "The ratio is the variant's time over the baseline's: 1.05 is 5 % slower. ratio_low and ratio_high are "
              "the ends of\nits 95 % confidence interval.",
          .example = "bench model.gguf --rule a:ffn_norm=bf16 --fail-if 'prompt.ratio_low>1.5'",
          .add = command_of(add_bench_options, run_bench)};
}

}  // namespace fakequant
