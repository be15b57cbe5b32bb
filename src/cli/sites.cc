// fakequant sites: every weight and activation that a rule can name.
#include <algorithm>
#include <utility>

#include "cli/command.h"
#include "cli/site_listing.h"
#include "error.h"

namespace fakequant {
namespace {

struct SitesOptions : CommonOptions {
  std::string model;
  std::vector<std::string> sites;
  bool all = false;
  RuleOptions rules;
  StorageOptions storage;
};

// Leaves the sites of --except out of those that are listed and out of the rules.
void leave_out(const std::vector<SitePattern>& exceptions, ListingRequest& request) {
  for (const auto& exception : exceptions) {
    const bool is_listed = std::any_of(request.sites.begin(), request.sites.end(),
                                       [&](const SitePattern& site) { return site.kind == exception.kind; });
    if (is_listed) add_exceptions(request.sites, {exception});
    if (is_listed && rules_of_kind(request.recipe, exception.kind).empty()) continue;
    about("--except", [&] { add_exceptions(request.recipe, {exception}); });
  }
}

void run_sites(SitesOptions& options) {
  settle_by_recipe(options, options.rules);
  settle_compute(options);
  ListingRequest request;
  const auto exceptions = exceptions_of(std::exchange(options.rules.exceptions, {}));
  request.recipe = recipe_of(options.rules);
  for (const auto& site : options.sites) request.sites.push_back(parse_site_pattern(site));
  leave_out(exceptions, request);
  request.storage = settings_of(options.storage, options.compute);
  request.layers = options.all ? Layers::all : Layers::folded;
  const GgufModel model(options.model);
  ResultOutput output(options, inputs_of(model, options.rules, request.recipe));
  write_listing(options, model, request, output);
}

void add_sites_options(Arguments& arguments, SitesOptions& options) {
  arguments.positional("-m,--model,MODEL", options.model, "A GGUF file");
  arguments.positionals("SITE", options.sites, "List these only: w:matrices, a:ffn_input@0-3 [all]", Required::no);
  arguments.flag("--all", options.all, "A row for each site instead of one for all layers");
  add_rule_options(arguments, options.rules, RuleKinds::all, DryRun::no);
  add_storage_options(arguments, options.storage);
  add_compute_options(arguments, options);
}

}  // namespace

Command sites_command() {
  return {
      .name = "sites",
      .summary = "Every weight and activation that a rule can name",
      .notes =
          "A weight is named by its word (w:ffn_up), an activation by its own (a:ffn_norm), by a weight that it feeds\n"
          "(a:in(ffn_up)) or by its role (a:ffn_input). With rules, the list shows which format each site gets.",
      .example = "sites model.gguf --rule a:ffn_input=int8",
      .add = command_of(add_sites_options, run_sites)};
}

}  // namespace fakequant
