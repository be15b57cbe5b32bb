#include "cli/site_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "engine/context.h"
#include "engine/unmeasured.h"
#include "error.h"
#include "measure/site_list.h"
#include "report/site_report.h"

namespace fakequant {

namespace {

// Loads the model when its graph is first looked at, once.
class Lister {
 public:
  Lister(const CommonOptions& options, const GgufModel& model) : options_(options), model_(model) {}

  SiteList list(const ListingRequest& request) {
    if (request.only_named && request.recipe.empty()) {
      throw usage_error("--dry-run shows what rules name, and there are none: add --rule or --recipe");
    }
    auto sites = all_sites(request);
    if (!request.sites.empty()) sites = chosen_sites(std::move(sites), request.sites);
    if (request.only_named) sites = named_sites(std::move(sites));
    return sites;
  }

  Provenance provenance() const {
    return running_ ? provenance_of(options_, options_.compute) : provenance_of(options_);
  }

 private:
  SiteList all_sites(const ListingRequest& request) {
    if (request.weights_only) return list_weights(model_, request.recipe, request.storage);
    const bool needs_activations = !rules_of_kind(request.recipe, SiteKind::activation).empty() ||
                                   std::any_of(request.sites.begin(), request.sites.end(), [](const SitePattern& site) {
                                     return site.kind == SiteKind::activation;
                                   });
    try {
      return running_sites(request);
    } catch (const Error&) {
      const auto why = needs_activations ? std::nullopt : why_not_measured(model_.paths());
      if (!why) throw;
      auto sites = list_weights(model_, request.recipe, request.storage);
      sites.not_measured = *why;
      return sites;
    }
  }

  SiteList running_sites(const ListingRequest& request) {
    if (!running_) running_.emplace(model_.paths(), options_.compute.devices, options_.compute.arithmetic);
    constexpr int kSmallContext = 32;  // one token goes through it
    const auto small = context_options(std::min(kSmallContext, running_->trained_context()), options_.compute);
    const Context context(*running_, small, rules_of_kind(request.recipe, SiteKind::activation));
    return list_sites(model_, request.recipe, request.storage, context);
  }

  const CommonOptions& options_;
  const GgufModel& model_;
  std::optional<Model> running_;
};

}  // namespace

void write_listing(const CommonOptions& options, const GgufModel& model, const ListingRequest& request,
                   ResultOutput& output) {
  Lister lister(options, model);
  const auto sites = lister.list(request);
  output.write(to_text(sites, request.layers), to_json(sites, lister.provenance()));
}

void write_listings(const CommonOptions& options, const GgufModel& model, const ListingRequest& request,
                    const std::vector<NamedRecipe>& variants, ResultOutput& output) {
  auto of_variant = request;
  if (variants.size() == 1) of_variant.recipe = variants.front().recipe;
  if (variants.size() <= 1) return write_listing(options, model, of_variant, output);
  Lister lister(options, model);
  std::string text;
  auto lists = Json::array();
  for (const auto& variant : variants) {
    of_variant.recipe = variant.recipe;
    const auto sites = about(variant.name, [&] { return lister.list(of_variant); });
    text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", variant.name, to_text(sites, request.layers));
    lists.push_back(to_json(sites, lister.provenance()));
    lists.back()["name"] = variant.name;
  }
  auto json = json_file("sites", model.path(), lister.provenance());
  json["variants"] = std::move(lists);
  output.write(text, json);
}

}  // namespace fakequant
