// The list of sites that `sites` prints, and that --dry-run prints of the sites that rules name.
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
  Layers layers = Layers::folded;
  bool only_named = false;              // only the sites that rules name, as for --dry-run
  std::vector<SitePattern> sites = {};  // list these only; all where it is empty
  bool weights_only = false;            // the model is not run
};

// Prints the list to `output`. The model runs as options.compute says.
void write_listing(const CommonOptions& options, const GgufModel& model, const ListingRequest& request,
                   ResultOutput& output);

}  // namespace fakequant
