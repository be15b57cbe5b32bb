// fakequant sweep: the loss at every site in every format and layer, collected in a study.
#include "sweep/sweep.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "cli/command.h"
#include "cli/interruption.h"
#include "error.h"
#include "format/format_properties.h"
#include "number_of_text.h"
#include "report/score_figures.h"
#include "report/sweep_report.h"
#include "study/study_database.h"
#include "study/study_subject.h"

namespace fakequant {
namespace {

struct SweepCommandOptions : CommonOptions {
  SweepRequest request;
  StorageOptions storage;
  std::vector<std::string> texts, sites, formats, exceptions;
  bool by_layer = false;
  std::string shard = "1/1", precision;
  FailConditions conditions;
};

// "2/8".
void parse_shard(const std::string& text, SweepRequest& request) {
  const std::string_view whole(text);
  const auto slash = whole.find('/');
  const auto shard = number_of_text<int>(whole.substr(0, slash)),
             shards = slash == whole.npos ? std::nullopt : number_of_text<int>(whole.substr(slash + 1));
  if (!shard || !shards || *shard < 1 || *shard > *shards) {
    throw usage_error(fmt::format("--shard {} is invalid: write I/N, such as 2/8 for the second of eight", text));
  }
  request.shard = *shard;
  request.shards = *shards;
}

// "5%" or "0.05".
double parse_precision(const std::string& text) {
  if (text.empty()) return 0;
  const bool is_percent = text.ends_with('%');
  const auto number = number_of_text<double>(std::string_view(text).substr(0, text.size() - (is_percent ? 1 : 0)));
  const double fraction = number.value_or(0) / (is_percent ? 100 : 1);
  if (!(fraction > 0) || !(fraction < 1)) {
    throw usage_error(fmt::format("--precision {} is invalid: write a fraction of the mean, such as 5%", text));
  }
  return fraction;
}

SweepQuestion question_of(const SweepCommandOptions& options) {
  SweepQuestion question;
  for (const auto& site : options.sites) question.sites.push_back(parse_site_pattern(site));
  about("--except", [&] { add_exceptions(question.sites, exceptions_of(options.exceptions)); });
  for (const auto& format : options.formats) question.formats.push_back(parse_rule_format(format));
  question.by_layer = options.by_layer;
  return question;
}

void check_prediction(const SweepRequest& request) {
  if (!request.predicts) {
    if (request.budget > 0) throw usage_error("--budget limits the cost of --predict: add --predict");
    return;
  }
  if (request.shards > 1) {
    throw usage_error(
        "--predict derives variants from others, and --shard separates them: give one of the two options");
  }
  if (request.precision > 0) {
    throw usage_error(
        "--predict and --precision both choose the chunks that are measured: give one of the two options");
  }
}

void run_sweep(SweepCommandOptions& options) {
  auto& request = options.request;
  request.question = question_of(options);
  settle_compute(options, arithmetic_to_continue(request.study));
  options.conditions.parse();
  parse_shard(options.shard, request);
  request.precision = parse_precision(options.precision);
  check_prediction(request);
  if (request.study.empty()) throw usage_error("the study has no name: name a file");
  const GgufModel model(request.model);
  request.texts = text_files(options.texts);
  request.storage = settings_of(options.storage, options.compute);
  request.compute = options.compute;
  const auto provenance = provenance_of(options, request.compute);
  auto inputs = model.paths();
  inputs.insert(inputs.end(), options.texts.begin(), options.texts.end());
  for (const auto& format : request.question.formats) {
    for (auto& file : format_files(format.format)) inputs.push_back(std::move(file));
  }
  std::vector<NamedOutput> outputs;
  for (const auto& file : study_files(request.study)) outputs.push_back({"-o", file});
  ResultOutput output(options, inputs, outputs);
  prepare_threads(options);
  request.is_stopped = Interruption::is_asked_for;
  const auto result = [&] {
    const Interruption interruption;
    ProgressLine line(options, "sweep");
    request.progress = [&](const SweepProgress& progress) {
      line.show(progress.done, fmt::format("[{}] {}", progress.measured, progress.variant));
    };
    return fakequant::sweep(request);
  }();
  auto json = to_json(result, provenance);
  std::vector<Format> formats;
  for (const auto& format : request.question.formats) formats.push_back(format.format);
  std::vector<EvaluatedText> texts;
  for (const auto& text : result.texts) texts.push_back({text.name, text.windows});
  json["calibration_overlaps"] = show_overlaps(options, formats, texts);
  output.write(to_text(result), json);
  if (!request.dry_run) options.conditions.check(json);
}

void add_sweep_options(Arguments& arguments, SweepCommandOptions& options) {
  auto& request = options.request;
  arguments.positional("-m,--model,MODEL", request.model, "A GGUF file");
  arguments.texts("-f,--file", "FILE", options.texts, "A text to evaluate; repeatable", Required::yes);
  arguments.texts("--site", "SITE", options.sites,
                  "The values to round, as in rules: a:ffn_input, w:ffn_norm; repeatable", Required::yes);
  add_except_option(arguments, options.exceptions);
  arguments.texts("--format", "FORMAT", options.formats,
                  "A format, as in rules: bf16, or int4,per=block,block=32; repeatable", Required::yes);
  arguments.flag("--layers", options.by_layer, "Each layer separately [all layers of a site together]");
  arguments.text("-o,--output", "STUDY.db", request.study, "The study to create or continue", Required::yes);
  arguments.number("-c,--ctx-size", request.ctx_size, 4, 1 << 24,
                   "Tokens of a chunk [512, or the model's training context if shorter]");
  arguments.number("-b,--batch-size,--ubatch-size", options.compute.batch_size, 1, 1 << 24,
                   "Evaluate at most N tokens together [512]");
  arguments.number("--chunks", request.chunks, 1, 1 << 30, "Evaluate at most N chunks of each text [all]");
  arguments.text("--precision", "FRACTION", options.precision,
                 "Stop measuring a variant when the standard error is below this fraction of its divergence: 5%");
  arguments.text("--shard", "I/N", options.shard, "Measure the Ith of N shares of the variants");
  arguments.flag("--predict", request.predicts,
                 "Measure some variants on some chunks only, and predict the others from them");
  arguments.number("--budget", request.budget, 0, 1e9,
                   "Passes of the model over the text that --predict may cost [a tenth of the sweep]");
  arguments.flag("--dry-run", request.dry_run, "Only print the variants, and the chunks that the study has of them");
  options.conditions.add_option(arguments, figure_fields(), "kld.mean>0.01");
  add_storage_options(arguments, options.storage);
  add_compute_options(arguments, options);
}

}  // namespace

Command sweep_command() {
  return {.name = "sweep",
          .summary = "The loss at every site in every format and layer, collected in a study",
          .notes =
              "Run again, the command continues where it stopped; more formats, sites, texts or chunks are added to "
              "the study.\n"
              "The study is a SQLite database, which docs/studies.md describes.\n"
              "Ctrl-C ends with what has been measured so far.",
          .example = "sweep model.gguf -f text.txt --site a:ffn_input --format int4 --format int8 --layers -o study.db",
          .add = command_of(add_sweep_options, run_sweep)};
}

}  // namespace fakequant
