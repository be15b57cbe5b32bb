// What the commands that measure variants of a model against the model share: their options, and the steps from the
// options to the written result.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/progress_line.h"
#include "gguf/gguf_model.h"
#include "measure/prepared_variants.h"
#include "report/apply_report.h"

namespace fakequant {

struct MeasurementOptions : CommonOptions {
  std::string model;
  RuleOptions rules;
  std::vector<std::string> variants;  // as --variant gives them
  StorageOptions storage;
  FailConditions conditions;
};

enum class SeveralVariants { no, offered };

// --rule and the other options of rules, --variant where it is offered, storage, and how the model is computed.
void add_measurement_options(Arguments& arguments, MeasurementOptions& options,
                             SeveralVariants several = SeveralVariants::offered,
                             Arithmetic arithmetic = Arithmetic::f32);

// What a command measures.
struct MeasurementPlan {
  std::string command;                         // its name, for the progress line
  std::vector<NamedRecipe> variants = {};      // that rules make
  std::vector<std::string> models = {};        // the names of variants that are models, measured as they are
  bool has_named_entries = true;               // conditions may name variants, and nothing else
  Arithmetic arithmetic = Arithmetic::f32;     // where none is asked for
  std::optional<RoundedWeights> weights = {};  // where rounded weights are; what suits the arithmetic and devices
  std::vector<std::string> inputs = {};        // files that are read beside the model and those that rules name
  // Called by --dry-run with the variants, without their rounded weights, to say what measuring them would take; may be
  // empty.
  std::function<void(const GgufModel& model, const std::vector<Variant>& variants)> foretell = {};
};

// What a command measures, made ready.
struct Measurement {
  const GgufModel& model;
  const Provenance& provenance;
  PreparedVariants& prepared;                   // those of the plan; models that are measured as they are can be added
  const std::vector<NamedRounding>& roundings;  // of the variants with weight rules
  const Recipe& rules;                          // of all variants
};

// A result as it is printed and written.
struct Report {
  std::string text;
  Json json;
};

// Measures, and reports the result; nothing where it was interrupted before there was any.
using Measure = std::function<std::optional<Report>(const Measurement& measurement, ProgressLine& line)>;

// Checks all that can be wrong before the work begins: options, files, devices, outputs. With --dry-run then prints
// which site gets which format. Otherwise prepares the variants, measures, writes the report and checks the conditions
// of --fail-if. Throws an Error of Failure::condition when one holds, and as the steps do.
void run_measurement(MeasurementOptions& options, const MeasurementPlan& plan, const Measure& measure);

}  // namespace fakequant
