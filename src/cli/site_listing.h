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
  Recipe recipe = {};
  ApplySettings storage = {};
  Layers layers = Layers::folded;
  bool only_named = false;              // only the sites that rules name, as for --dry-run
  std::vector<SitePattern> sites = {};  // list these only; all where it is empty
  bool weights_only = false;            // the model is not run
};

// Prints the list to `output`. The model runs as options.compute says.
void write_listing(const CommonOptions& options, const GgufModel& model, const ListingRequest& request,
                   ResultOutput& output);

// Likewise one after the other for several variants, each with its own recipe instead of the request's; in JSON a list
// "variants" of what one list has, with their names.
void write_listings(const CommonOptions& options, const GgufModel& model, const ListingRequest& request,
                    const std::vector<NamedRecipe>& variants, ResultOutput& output);

}  // namespace fakequant
