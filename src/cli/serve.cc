// fakequant serve: an endpoint for the baseline and its variants, as OpenAI's API has it.
#include "serve/serve.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/command.h"
#include "cli/interruption.h"
#include "cli/measurement.h"
#include "error.h"
#include "report/printable_text.h"

namespace fakequant {
namespace {

struct ServeCommandOptions : MeasurementOptions {
  ServeOptions serve;
};

// Where it is served, and what: for the user, and for programs that wait until it is ready.
void announce(const HttpOptions& http, int port, const std::vector<Variant>& variants) {
  const bool is_ipv6 = http.host.find(':') != std::string::npos;
  auto line = fmt::format("http://{}:{}/v1 serves baseline", is_ipv6 ? "[" + http.host + "]" : http.host, port);
  for (const auto& variant : variants) line += ", " + variant.name;
  std::puts(printable(line + "; Ctrl-C ends it").c_str());
  std::fflush(stdout);
}

// In the playground any weight can be rounded, whatever its type and the arithmetic: where nothing else is asked for,
// what is quantized is held in F32.
ApplySettings playground_storage(const StorageOptions& options) {
  ComputeOptions exact;
  exact.arithmetic = Arithmetic::f32;
  return settings_of(options, exact);
}

void run_serve(ServeCommandOptions& options) {
  if (!options.json.empty() && !options.rules.dry_run) {
    throw usage_error("a server has no result to write: --json goes with --dry-run");
  }
  MeasurementPlan plan{
      .command = "serve", .variants = variants_of(options.rules, options.variants), .arithmetic = Arithmetic::native};
  run_measurement(options, plan, [&](const Measurement& measurement, ProgressLine&) -> std::optional<Report> {
    auto& serving = options.serve;
    const auto& variants = measurement.prepared.variants();
    serving.compute = options.compute;
    serving.storage = playground_storage(options.storage);
    const Interruption interruption(Interruption::By::any_end);
    serving.is_stopped = Interruption::is_asked_for;
    serving.ready = [&](int port) { announce(serving.http, port, variants); };
    serve(measurement.model, variants, serving);
    Interruption::take();
    return std::nullopt;
  });
}

void add_serve_options(Arguments& arguments, ServeCommandOptions& options) {
  auto& serve = options.serve;
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.text("--host", "HOST", serve.http.host,
                 "Listen at this address [127.0.0.1]; one that others reach needs --api-key");
  arguments.number("--port", serve.http.port, 0, 65535, "Listen at this port; 0: any that is free");
  arguments.text("--api-key", "KEY", serve.http.api_key, "Answer only requests that give this key");
  arguments.number("-c,--ctx-size", serve.ctx_size, 4, 1 << 24,
                   "Tokens of the context [2048, or the model's training context if shorter]");
  add_measurement_options(arguments, options, SeveralVariants::offered, Arithmetic::native);
}

}  // namespace

Command serve_command() {
  return {.name = "serve",
          .summary = "Baseline and variants for other programs: OpenAI's API on this machine",
          .notes =
              "A request's 'model' is 'baseline', 'variant' (the rules of --rule and --recipe) or the name of a "
              "--variant.\n"
              "Paths: / (the playground, a page for a browser) /v1/models /v1/completions /v1/chat/completions "
              "/tokenize /detokenize /tokenizer_info /health /metrics /openapi.json.",
          .example = "serve model.gguf --rule w:matrices=int4",
          .add = command_of(add_serve_options, run_serve)};
}

}  // namespace fakequant
