// fakequant sites: every weight and activation that a rule can name.
#include "cli/command.h"
#include "cli/site_listing.h"

namespace fakequant {
namespace {

struct SitesOptions : CommonOptions {
  std::string model;
  bool all = false;
  RuleOptions rules;
  StorageOptions storage;
};

void run_sites(SitesOptions& options) {
  ListingRequest request;
  request.recipe = recipe_of(options.rules);
  request.storage = settings_of(options.storage);
  request.layers = options.all ? Layers::all : Layers::folded;
  const GgufModel model(options.model);
  ResultOutput output(options, inputs_of(model, options.rules, request.recipe));
  write_listing(options, model, request, output);
}

void add_sites_options(Arguments& arguments, SitesOptions& options) {
  arguments.positional("MODEL", options.model, "A GGUF file");
  arguments.flag("--all", options.all, "A row for each site instead of one for all layers");
  add_rule_options(arguments, options.rules, RuleKinds::all, DryRun::no);
  add_storage_options(arguments, options.storage);
  add_device_options(arguments, options.compute.devices);
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
