// What there is to round: the list that `sites` prints, and that --dry-run prints of what the rules name.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "gguf/gguf_model.h"
#include "recipe/rule.h"
#include "report/census_report.h"
#include "weights/apply.h"

namespace fakequant {

struct ListingRequest {
  Recipe recipe;
  ApplySettings storage = {};
  DeviceOptions devices = {};
  Layers layers = Layers::folded;
  bool only_named = false;    // what the rules name, as --dry-run has it
  bool weights_only = false;  // the model need not run
};

// Prints the list to `output`.
void write_listing(const CommonOptions& options, const GgufModel& model, const ListingRequest& request,
                   ResultOutput& output);

}  // namespace fakequant
