#include "cli/site_listing.h"

#include "engine/context.h"
#include "error.h"
#include "measure/site_list.h"
#include "report/site_report.h"

namespace fakequant {

void write_listing(const CommonOptions& options, const GgufModel& model, const ListingRequest& request,
                   ResultOutput& output) {
  if (request.only_named && request.recipe.empty()) {
    throw usage_error("--dry-run shows what rules name, and there are none: add --rule or --recipe");
  }
  SiteList sites;
  auto provenance = provenance_of(options);
  if (request.weights_only) {
    sites = list_weights(model, request.recipe, request.storage);
  } else {
    provenance = provenance_of(options, options.compute.devices);
    const Model running(model.paths(), options.compute.devices);
    constexpr int kSmallContext = 32;  // one token goes through it
    const Context context(running, {std::min(kSmallContext, running.trained_context()), options.compute.threads},
                          rules_of_kind(request.recipe, SiteKind::activation));
    sites = list_sites(model, request.recipe, request.storage, context);
  }
  if (!request.sites.empty()) sites = chosen_sites(std::move(sites), request.sites);
  if (request.only_named) sites = named_sites(std::move(sites));
  output.write(to_text(sites, request.layers), to_json(sites, provenance));
}

}  // namespace fakequant
