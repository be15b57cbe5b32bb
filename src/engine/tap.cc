#include "engine/tap.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/starting_point.h"
#include "error.h"

namespace fakequant {

void Tap::cancel_watching() {
  watch_.cancel();
  walk_.finish(false);
}

void Tap::end_watching(const GraphShape& shape, int layers) {
  try {
    walk_.finish(false);
    watch_.end(shape, layers);
    plan(shape);
  } catch (...) {
    watch_.forget(shape);
    throw;
  }
}

void Tap::plan(const GraphShape& shape) {
  const auto& graph = watch_.graph(shape);
  auto jittered = jitter_.plan(graph), copied = copies_.plan(graph), observed = observing_.plan(graph),
       inputs = inputs_.plan(graph), rounded = rounding_.plan(graph), shown = showing_.plan(graph),
       computed = arithmetic_.plan(graph), refilled = refilled_.plan(graph);
  walk_.set_plan(Stage::refill, shape, std::move(refilled));
  walk_.set_plan(Stage::compute, shape, std::move(computed));
  walk_.set_plan(Stage::jitter, shape, std::move(jittered));
  walk_.set_plan(Stage::copy, shape, std::move(copied));
  walk_.set_plan(Stage::observe, shape, std::move(observed));
  walk_.set_plan(Stage::inputs, shape, std::move(inputs));
  walk_.set_plan(Stage::round, shape, std::move(rounded));
  walk_.set_plan(Stage::show, shape, std::move(shown));
}

bool Tap::is_active() const {
  return refilled_.is_active() || arithmetic_.is_active() || jitter_.is_active() || copies_.is_active() ||
         observing_.is_active() || inputs_.is_active() || rounding_.is_active() || showing_.is_active() ||
         skip_.is_active();
}

template <typename Action>
void Tap::replan(Stage stage, const Action& action) {
  std::map<GraphShape, NodePlan> plans;
  for (const auto& [shape, graph] : watch_.graphs()) plans.emplace(shape, action.plan(graph));
  walk_.set_plans(stage, std::move(plans));
}

void Tap::set_recipe(const Recipe& recipe) {
  arithmetic_.check(recipe);
  walk_.set_plans(Stage::round, rounding_.set_recipe(recipe));
  arithmetic_.set_recipe(recipe);
  replan(Stage::compute, arithmetic_);
}

void Tap::observe(const Recipe& rules, Observer observer) {
  walk_.set_plans(Stage::observe, observing_.set_observer(rules, std::move(observer)));
}

void Tap::show_values(SiteChoice choose, Observer viewer) {
  showing_.set_viewer(std::move(choose), std::move(viewer));
  replan(Stage::show, showing_);
}

void Tap::round_copies(const Recipe& rules, CopyViewer viewer) {
  copies_.set_rules(rules, std::move(viewer));
  replan(Stage::copy, copies_);
}

void Tap::show_inputs(InputViewer viewer, WeightChoice choose) {
  inputs_.set_viewer(std::move(viewer), std::move(choose));
  replan(Stage::inputs, inputs_);
}

void Tap::use_reference_arithmetic() {
  arithmetic_.enable();
  watch_.assume_exact_products();
}

void Tap::change_weights(const ChangedWeights& weights, const ModelTensors& tensors) {
  for (const auto& weight : weights) {
    if (weight.bytes) {
      resident_.add(weight, tensors);
    } else if (arithmetic_.is_active()) {
      arithmetic_.stream(weight);
    } else {
      refilled_.add(weight, tensors);
    }
  }
}

void Tap::install_weights() {
  resident_.install();
  refilled_.install();
}

void Tap::remove_weights() {
  refilled_.remove();
  resident_.remove();
}

std::vector<std::string> Tap::not_streamable() const {
  std::set<std::string> names;
  for (const auto& [shape, graph] : watch_.graphs()) {
    for (const auto& name : arithmetic_.not_streamable(graph.nodes)) names.insert(name);
    for (const auto& name : refilled_.not_streamable(graph.nodes)) names.insert(name);
  }
  return {names.begin(), names.end()};
}

void Tap::jitter_embeddings(std::uint64_t seed) {
  jitter_.enable(seed);
  replan(Stage::jitter, jitter_);
}

void Tap::keep_hidden_states(HiddenStates& states) {
  end_text();
  skip_.keep(states);
}

StartingPoint Tap::start_of(const HiddenStates& states, int unchanged) {
  std::vector<const std::vector<LayerBoundary>*> boundaries;
  std::vector<int> first_changed;
  for (const auto& batch : states.batches) {
    const auto shape = shape_of(batch.tokens);
    boundaries.push_back(&skip_.boundaries(shape, watch_.graph(shape).nodes));
    first_changed.push_back(static_cast<int>(walk_.first_step(shape)));
  }
  return find_starting_point(states, boundaries, first_changed, unchanged);
}

StartingPoint Tap::begin_from(const HiddenStates& states, int unchanged) {
  auto start = start_of(states, unchanged);
  end_text();
  if (start.layer > 0) skip_.begin_from(states, start.layer);
  return start;
}

StartingPoint Tap::carry(const HiddenStates& from, HiddenStates& to, int layer) {
  auto start = start_of(from, std::max(layer - 1, 0));
  end_text();
  skip_.carry(from, start.layer, to, layer);
  return start;
}

void Tap::end_text() {
  skip_.stop();
  walk_.set_plans(Stage::skip, {});
}

void Tap::begin_evaluation(std::vector<TokenBatch> batches) {
  if (!is_active()) return;
  skip_.check(batches);
  for (const auto& batch : batches) {
    if (!skip_.is_active()) break;
    const auto shape = shape_of(batch);
    const auto& graph = watch_.graph(shape).nodes;
    if (!walk_.has_plan(Stage::skip, shape)) {
      walk_.set_plan(Stage::skip, shape, skip_.plan(shape, graph, walk_.last_step(shape)));
    }
    const auto* entered = find_boundary(skip_.boundaries(shape, graph), skip_.layer());
    if (entered != nullptr && static_cast<int>(walk_.first_step(shape)) <= entered->last) {
      throw Error(fmt::format("below layer {}, where this text was begun, something is now to be rounded or shown",
                              skip_.layer()));
    }
  }
  skip_.begin_evaluation(batches);
  walk_.begin(std::move(batches));
}

void Tap::finish_evaluation(bool is_complete) {
  walk_.finish(is_complete);
  if (is_complete) rounding_.check();
}

}  // namespace fakequant
