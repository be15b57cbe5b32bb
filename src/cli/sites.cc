// fakequant sites: every weight and activation that a rule can name.
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/site_listing.h"

namespace fakequant {
namespace {

struct SitesOptions : CommonOptions {
  std::string model;
  bool all = false;
  RuleOptions rules;
  StorageOptions storage;
  DeviceOptions devices;
};

void list(const SitesOptions& options) {
  ListingRequest request;
  request.recipe = recipe_of(options.rules);
  request.storage = settings_of(options.storage);
  request.devices = options.devices;
  request.layers = options.all ? Layers::all : Layers::folded;
  const GgufModel model(options.model);
  ResultOutput output(options, inputs_of(model, options.rules, request.recipe));
  write_listing(options, model, request, output);
}

}  // namespace

void add_sites(CLI::App& program, const std::string& command_line) {
  Arguments arguments(program, "sites", "Every weight and activation that a rule can name");
  auto options = std::make_shared<SitesOptions>();
  options->command_line = command_line;
  arguments.positional("MODEL", options->model, "A GGUF file");
  arguments.flag("--all", options->all, "A row for each site, not one for all layers");
  add_rule_options(arguments, options->rules, RuleKinds::all, DryRun::no);
  add_storage_options(arguments, options->storage);
  add_device_options(arguments, options->devices);
  add_common_options(arguments, *options);
  arguments.footer(
      "A weight is named by its word (w:ffn_up), an activation by its own (a:ffn_norm), by a weight that it feeds\n"
      "(a:in(ffn_up)) or by its role (a:ffn_input). With rules, the list shows which format each site gets.\n"
      "Example: fakequant sites model.gguf --rule a:ffn_input=int8");
  arguments.run([options] { list(*options); });
}

}  // namespace fakequant
