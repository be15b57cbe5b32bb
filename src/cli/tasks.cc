// fakequant tasks: which answers baseline and variants give to questions with several answers.
#include "cli/command.h"
#include "cli/measurement.h"
#include "error.h"
#include "measure/choice_scoring.h"
#include "report/tasks_report.h"
#include "text_file.h"

namespace fakequant {
namespace {

struct TasksCommandOptions : MeasurementOptions {
  std::string hellaswag, winogrande, multiple_choice;
  ChoiceOptions tasks;
};

// The one file that is given.
void choose_file(TasksCommandOptions& options) {
  int given = 0;
  const auto take = [&](const std::string& file, TaskKind kind) {
    if (file.empty()) return;
    options.tasks.file = file;
    options.tasks.kind = kind;
    ++given;
  };
  take(options.hellaswag, TaskKind::hellaswag);
  take(options.winogrande, TaskKind::winogrande);
  take(options.multiple_choice, TaskKind::multiple_choice);
  if (given != 1) throw usage_error("give one file of tasks: --hellaswag, --winogrande or --multiple-choice");
  check_readable(options.tasks.file);
}

void run_tasks(TasksCommandOptions& options) {
  choose_file(options);
  MeasurementPlan plan{.command = "tasks", .variants = variants_of(options.rules, options.variants)};
  plan.inputs = {options.tasks.file};
  run_measurement(options, plan, [&](const Measurement& measurement, ProgressLine& line) {
    options.tasks.compute = options.compute;
    const auto result =
        answer_tasks(measurement.model.paths(), measurement.prepared.variants(), options.tasks, line.callback());
    return Report{to_text(result), to_json(result, measurement.provenance)};
  });
}

void add_tasks_options(Arguments& arguments, TasksCommandOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.text("--hellaswag", "FILE", options.hellaswag, "Tasks in six lines each, as llama-perplexity reads them");
  arguments.text("--winogrande", "FILE", options.winogrande, "Tasks in CSV, likewise");
  arguments.text("--multiple-choice", "FILE", options.multiple_choice, "Tasks in the binary form, likewise");
  arguments.number("--tasks", options.tasks.most, 1, 1 << 30,
                   "Answer N of them, those that llama-perplexity would take [all]");
  arguments.number("-c,--ctx-size", options.tasks.ctx_size, 4, 1 << 24,
                   "Tokens of the context [512, or the model's training context if shorter]");
  add_measurement_options(arguments, options);
  options.conditions.add_option(arguments, {"accuracy", "flips", "difference", "difference_high", "p_value"},
                                "flips>0.05");
}

}  // namespace

Command tasks_command() {
  return {.name = "tasks",
          .summary = "Questions with several answers: accuracy, and the answers that a variant changes",
          .notes =
              "Scored as llama-perplexity scores them. Fields of --fail-if: accuracy, flips and difference are "
              "fractions.",
          .example = "tasks model.gguf --winogrande winogrande.csv --rule w:matrices=int4",
          .add = command_of(add_tasks_options, run_tasks)};
}

}  // namespace fakequant
