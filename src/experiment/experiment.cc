#include "experiment/experiment.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>

#include "error.h"
#include "measure/prepared_variants.h"

namespace fakequant {

std::string_view step_name(ExperimentStep step) {
  switch (step) {
    case ExperimentStep::inspect:
      return "inspect";
    case ExperimentStep::compare:
      return "compare";
    case ExperimentStep::eval:
      return "eval";
    case ExperimentStep::drift:
      return "drift";
    case ExperimentStep::generate:
      return "generate";
    case ExperimentStep::bench:
      return "bench";
  }
  return {};
}

Recipe default_experiment_recipe() {
  auto recipe = default_weight_recipe();
  recipe.push_back(parse_rule("a:ffn_norm=bf16"));
  return recipe;
}

std::vector<std::string> default_prompts() {
  return {"What is 2+2?", "Hello, can you introduce yourself?", "Write a short story about a robot."};
}

ExperimentResult run_experiment(const ExperimentRequest& request, const StepDone& done, const StepProgress& progress) {
  ExperimentResult result;
  result.model = request.model;
  result.recipe = request.recipe;
  result.variants = request.variants;
  result.environment = describe_environment(request.compute.threads, request.compute.devices);

  const GgufModel model(request.model);
  PreparedVariants prepared(model, request.storage, request.compute.threads);
  std::map<std::string, std::set<std::string>> changed_weights;  // by the variant's name
  const auto run = [&](ExperimentStep step, const auto& work) {
    try {
      work([&](double fraction) { progress(step, fraction); });
      done(step, result);
    } catch (const Error& error) {
      throw Error(fmt::format("step {} failed: {}", step_name(step), error.what()), error.failure());
    }
  };

  run(ExperimentStep::inspect,
      [&](const Progress& p) { result.census = take_census(model, "*", request.compute.threads, p); });
  if (const auto weights = rules_of_kind(request.recipe, SiteKind::weight); !weights.empty()) {
    run(ExperimentStep::compare, [&](const Progress&) {
      result.rounding = prepared.add("weights", weights);
      changed_weights["weights"] = changed_tensors(*result.rounding);
      result.comparison = compare(model, GgufModel(prepared.variants().back().model), request.compute.threads);
      result.comparison->b = fmt::format("{} under {}", model.path(), to_string(weights));
    });
  }
  if (const auto taps = rules_of_kind(request.recipe, SiteKind::activation); !taps.empty()) {
    prepared.add("activations", taps);
  }
  for (const auto& variant : request.variants) {
    if (const auto rounding = prepared.add(variant.name, variant.recipe)) {
      changed_weights[variant.name] = changed_tensors(*rounding);
    }
  }
  const auto& variants = prepared.variants();
  std::optional<LoadedModels> models;  // shared by all steps but the last
  run(ExperimentStep::eval, [&](const Progress& p) {
    models.emplace(model.paths(), request.compute);
    auto options = request.eval;
    options.compute = request.compute;
    options.progress = [&](const EvalProgress& progress) { p(progress.done); };
    result.eval = evaluate(*models, variants, request.texts, options);
  });
  run(ExperimentStep::drift, [&](const Progress& p) {
    for (const auto& variant : variants) {
      auto options = request.drift;
      options.compute = request.compute;
      options.changed_weights = changed_weights[variant.name];
      const auto before = static_cast<double>(result.drifts.size()), all = static_cast<double>(variants.size());
      result.drifts.push_back(measure_drift(*models, variant, request.texts.front(), options,
                                            [&](double fraction) { p((before + fraction) / all); }));
    }
  });
  auto of_generation = request.compute;
  of_generation.arithmetic = request.generation_arithmetic;
  run(ExperimentStep::generate, [&](const Progress& p) {
    if (of_generation.arithmetic != request.compute.arithmetic) models.emplace(model.paths(), of_generation);
    auto options = request.generate;
    options.compute = of_generation;
    result.generation = generate(*models, variants, request.prompts, options, p);
  });
  models.reset();  // bench measures the load time and the memory of each model
  run(ExperimentStep::bench, [&](const Progress& p) {
    auto options = request.bench;
    options.compute = of_generation;
    result.bench = bench(model.paths(), variants, options, p);
  });
  return result;
}

}  // namespace fakequant
