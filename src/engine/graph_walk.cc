#include "engine/graph_walk.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <utility>

#include "error.h"

namespace fakequant {
namespace {

[[noreturn]] void refuse_graph(const std::string& what) {
  throw Error(fmt::format("{}: this version of llama.cpp is not understood", what));
}

}  // namespace

bool GraphWalk::callback(ggml_tensor* node, bool ask, void* walk) {
  auto& self = *static_cast<GraphWalk*>(walk);
  // No exception may pass through llama.cpp: it is kept for finish().
  try {
    if (self.watch_.is_watching()) {
      if (ask) self.watch_.note(node);
      return !ask;
    }
    if (ask) return self.is_walking_ && self.error_ == nullptr && self.ask(node);
    self.answer(node);
    return true;
  } catch (...) {
    self.error_ = std::current_exception();
    self.on_end_();
    return false;
  }
}

void GraphWalk::set_plan(Stage stage, const GraphShape& shape, NodePlan plan) {
  plans_of(stage)[shape] = std::move(plan);
}

bool GraphWalk::has_plan(Stage stage, const GraphShape& shape) const {
  return plans_[static_cast<std::size_t>(stage)].contains(shape);
}

std::size_t GraphWalk::first_step(const GraphShape& shape) const {
  std::size_t first = watch_.graph(shape).nodes.size();
  for (auto stage = static_cast<std::size_t>(Stage::jitter); stage < static_cast<std::size_t>(Stage::skip); ++stage) {
    if (const auto plan = plans_[stage].find(shape); plan != plans_[stage].end()) {
      first = std::min(first, plan->second.first_node(first));
    }
  }
  return first;
}

int GraphWalk::last_step(const GraphShape& shape) const {
  std::size_t nodes = 0;
  for (auto stage = static_cast<std::size_t>(Stage::jitter); stage < static_cast<std::size_t>(Stage::skip); ++stage) {
    if (const auto plan = plans_[stage].find(shape); plan != plans_[stage].end()) {
      nodes = std::max(nodes, plan->second.nodes());
    }
  }
  return static_cast<int>(nodes) - 1;
}

void GraphWalk::begin(std::vector<TokenBatch> batches) {
  batches_ = std::move(batches);
  batch_ = 0;
  graph_ = nullptr;
  is_walking_ = true;
}

void GraphWalk::begin_batch() {
  if (batch_ == batches_.size()) refuse_graph("a graph was computed more often than there are batches");
  const auto shape = shape_of(batches_[batch_]);
  graph_ = &watch_.graph(shape).nodes;
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    const auto plan = plans_[stage].find(shape);
    current_[stage] = plan == plans_[stage].end() || plan->second.size() == 0 ? nullptr : &plan->second;
  }
  asked_ = taken_ = 0;
}

// At the end of a batch's graph.
void GraphWalk::finish_batch() const {
  std::size_t steps = 0;
  for (const auto* plan : current_) steps += plan == nullptr ? 0 : plan->size();
  if (asked_ == graph_->size() && taken_ == steps) return;
  refuse_graph(
      fmt::format("{} of {} nodes were asked for, and {} of {} actions taken", asked_, graph_->size(), taken_, steps));
}

// Whether Stage::skip keeps this node from being computed. Then nothing else is done there.
bool GraphWalk::is_left_out(std::size_t node) const {
  const auto* steps = steps_at(static_cast<std::size_t>(Stage::skip), node);
  return steps != nullptr && !steps->before.empty();
}

bool GraphWalk::ask(ggml_tensor* node) {
  if (graph_ == nullptr) {
    begin_batch();
  } else if (asked_ == graph_->size()) {
    finish_batch();
    ++batch_;
    begin_batch();
  }
  const auto& expected = (*graph_)[asked_];
  if (expected.op != node->op || expected.name != node->name) {
    refuse_graph(fmt::format("node {} of the graph is {} ({}) where {} ({}) was before", asked_, node->name,
                             ggml_op_desc(node), expected.name, expected.operation));
  }
  const auto index = asked_++;
  bool is_wanted = false;
  const bool only_skip = is_left_out(index);
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    const auto* steps = steps_at(stage, index);
    if (steps == nullptr) continue;
    if (only_skip && stage != static_cast<std::size_t>(Stage::skip)) {
      taken_ += steps->before.size() + steps->after.size();
      continue;
    }
    for (const auto& action : steps->before) {
      action->before(visit(index, node));
      ++taken_;
    }
    if (!steps->after.empty()) is_wanted = true;
  }
  return is_wanted;
}

void GraphWalk::answer(ggml_tensor* node) {
  const auto index = asked_ - 1;
  const auto& expected = (*graph_)[index];
  if (expected.name != node->name) {
    refuse_graph(fmt::format("{} came where {} was asked for", node->name, expected.name));
  }
  const bool only_skip = is_left_out(index);
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    const auto* steps = steps_at(stage, index);
    if (steps == nullptr || (only_skip && stage != static_cast<std::size_t>(Stage::skip))) continue;
    for (const auto& action : steps->after) {
      action->after(visit(index, node));
      ++taken_;
    }
  }
}

void GraphWalk::finish(bool is_complete) {
  on_end_();
  const bool was_walking = std::exchange(is_walking_, false);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  if (!is_complete || !was_walking) return;
  if (graph_ != nullptr) {
    finish_batch();
    ++batch_;
  }
  if (batch_ != batches_.size()) refuse_graph(fmt::format("{} of {} batches were computed", batch_, batches_.size()));
}

}  // namespace fakequant
