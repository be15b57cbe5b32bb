#include "engine/tap.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <set>
#include <utility>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_properties.h"
#include "parallel.h"
#include "recipe/site_match.h"

namespace fakequant {
namespace {

NodeShape shape_of(const ggml_tensor* node) { return {node->ne[0], node->ne[1], node->ne[2], node->ne[3]}; }

[[noreturn]] void refuse_graph(const std::string& what) {
  throw Error(fmt::format("{}: this version of llama.cpp is not understood", what));
}

const ActivationSite* find_site(const std::vector<ActivationSite>& sites, const std::string& name) {
  const auto found =
      std::find_if(sites.begin(), sites.end(), [&](const ActivationSite& site) { return site.site.name == name; });
  return found == sites.end() ? nullptr : &*found;
}

void check_lies_together(const ggml_tensor* node, const std::string& site) {
  if (ggml_is_contiguous(node)) return;
  throw Error(fmt::format("the values of {} do not lie together: this activation cannot be rounded or shown", site));
}

// Throws where what a rule asks for is the tokens' own, and they cannot be told apart.
void check_tokens(const TokenDimension& dimension, const Rule& rule, bool is_observed) {
  if (dimension.kind == TokenDimension::found) return;
  constexpr auto kWayOut = "or leave it as it is by a later rule with mantissa23";
  if (!rule.pattern.tokens.is_all()) {
    throw usage_error(
        fmt::format("its values belong to no token, or to several together, so that tokens: cannot pick some of them: "
                    "leave that out, {}",
                    kWayOut));
  }
  if (dimension.kind == TokenDimension::none || is_observed || rounds_values_independently(rule.format)) return;
  throw usage_error(
      fmt::format("its rows hold values of several tokens, so that rounding to {} would depend on which are evaluated "
                  "together: give it a format without a scale and without chance, {}",
                  to_string(rule.format), kWayOut));
}

// Adds rows of so many values. Where rows are of different lengths there is no number of columns.
void count_rows(SiteCounters& counters, std::int64_t values, std::int64_t columns) {
  if (columns == 0) return;
  counters.columns = counters.rows == 0 || counters.columns == columns ? columns : 0;
  counters.rows += values / columns;
}

// Waking other threads costs more than rounding a few thousand values.
constexpr std::int64_t kWorthSharing = 1 << 15;

}  // namespace

bool Tap::callback(ggml_tensor* node, bool ask, void* tap) {
  auto& self = *static_cast<Tap*>(tap);
  // No exception may pass through llama.cpp: it is kept for finish_evaluation().
  try {
    if (ask) return self.error_ == nullptr && self.wants(node);
    self.deal_with(node);
    return true;
  } catch (...) {
    self.error_ = std::current_exception();
    self.skip_.restore_flags();
    return false;
  }
}

void Tap::begin_watching() { recorder_.emplace(); }

void Tap::end_watching(const GraphShape& shape, int layers) {
  layers_ = layers;
  Plan plan;
  plan.graph = recorder_->take();
  recorder_.reset();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  plan.sites = find_activation_sites(plan.graph, layers);
  assign(plan);
  auto& kept = plans_[shape] = std::move(plan);
  assign_shown(kept);
  assign_copies(kept);
  if (shape == shapes_to_begin_with().back()) sites_ = all_sites();
}

// Those of one token, and behind them what is computed for several only.
std::vector<ActivationSite> Tap::all_sites() const {
  auto sites = plans_.at({1, 1}).sites;
  std::set<std::string> names;
  for (const auto& site : sites) names.insert(site.site.name);
  for (auto site : plans_.at({2, 2}).sites) {
    if (names.contains(site.site.name)) continue;
    const auto dimension = token_dimension_of(site.site.name);
    if (dimension.kind == TokenDimension::found && !dimension.is_of_view) site.shape[dimension.index] = 1;
    sites.push_back(std::move(site));
  }
  return sites;
}

// Whether the recipe names the site in every graph: who reads a value may depend on how many tokens there are.
bool Tap::is_always_named(const std::string& site) const {
  return std::all_of(plans_.begin(), plans_.end(), [&](const auto& entry) {
    const auto* found = find_site(entry.second.sites, site);
    return found != nullptr && winning_rules(recipe_, {found->site}, layers_)[0].has_value();
  });
}

Tap::Target Tap::make_target(const ActivationSite& site, const Rule& rule) {
  Target target;
  target.format = for_activation(rule.format);
  target.tokens = rule.pattern.tokens;
  target.site = site;
  const auto* known = find_site(sites_, site.site.name);
  target.place = known == nullptr ? sites_.size() : static_cast<std::size_t>(known - sites_.data());
  target.token_dimension = token_dimension_of(site.site.name);
  target.random_key = random_key(rule.format.seed, site.site.name);
  try {
    about(site.site.name, [&] { check_tokens(target.token_dimension, rule, observer_ != nullptr); });
    if (!observer_) {
      about(site.site.name, [&] { check_row(rule.format, site.shape[0]); });
      if (const auto& range = rule.format.range; range.kind == RangeRule::static_range) {
        const auto& ranges = ranges_.try_emplace(range.file, range.file).first->second;
        target.static_scale = static_scale(target.format, ranges.at(site.site.name));
      }
    }
  } catch (const Error& error) {
    // What is named in some graphs only may never be computed there: then it is no error.
    if (error.failure() != Failure::usage || is_always_named(site.site.name)) throw;
    target.refusal = error.what();
  }
  target.counters.site = site.site.name;
  target.counters.layer = site.site.layer.value_or(-1);
  target.counters.format = to_string(rule.format);
  target.counters.tokens = to_string(rule.pattern.tokens);
  target.counters.readers = site.readers;
  target.counters.other_readers = other_readers(rule, site, layers_);
  return target;
}

// What becomes of the plan's nodes under the recipe.
void Tap::assign(Plan& plan) {
  plan.targets.assign(plan.graph.size(), nullptr);
  plan.target_count = 0;
  std::vector<Site> sites;
  for (const auto& site : plan.sites) sites.push_back(site.site);
  const auto winners = winning_rules(recipe_, sites, layers_);
  for (std::size_t s = 0; s < sites.size(); ++s) {
    if (!winners[s]) continue;
    auto found = targets_.find(sites[s].name);
    if (found == targets_.end()) {
      found = targets_.emplace(sites[s].name, make_target(plan.sites[s], recipe_[*winners[s]])).first;
    }
    plan.targets[static_cast<std::size_t>(plan.sites[s].node)] = &found->second;
    ++plan.target_count;
  }
}

void Tap::assign_shown(Plan& plan) const {
  plan.shown.assign(plan.graph.size(), nullptr);
  plan.shown_sites = viewer_ ? choose_shown_(plan.graph, plan.sites) : std::vector<ActivationSite>{};
  for (const auto& site : plan.shown_sites) plan.shown[static_cast<std::size_t>(site.node)] = &site;
}

void Tap::show_values(SiteChoice choose, Observer viewer) {
  choose_shown_ = std::move(choose);
  viewer_ = std::move(viewer);
  for (auto& [shape, plan] : plans_) assign_shown(plan);
}

void Tap::assign_copies(Plan& plan) {
  plan.copies.clear();
  std::vector<Site> sites;
  for (const auto& site : plan.sites) sites.push_back(site.site);
  for (std::size_t r = 0; r < copy_rules_.size(); ++r) {
    const auto winners = winning_rules({copy_rules_[r]}, sites, layers_);
    for (std::size_t s = 0; s < sites.size(); ++s) {
      if (!winners[s]) continue;
      auto target = make_target(plan.sites[s], copy_rules_[r]);
      if (!target.refusal.empty()) continue;
      plan.copies[static_cast<std::size_t>(plan.sites[s].node)].push_back({r, std::move(target)});
    }
  }
}

void Tap::round_copies(const Recipe& rules, CopyViewer viewer) {
  copy_rules_ = rules;
  copy_viewer_ = rules.empty() ? CopyViewer{} : std::move(viewer);
  for (auto& [shape, plan] : plans_) assign_copies(plan);
}

void Tap::set_recipe(const Recipe& recipe, Observer observer) {
  std::vector<Site> sites;
  for (const auto& site : sites_) sites.push_back(site.site);
  match_sites(recipe, sites, layers_);  // every rule has to match something
  auto recipe_before = std::exchange(recipe_, recipe);
  auto observer_before = std::exchange(observer_, std::move(observer));
  auto targets_before = std::exchange(targets_, {});
  ranges_.clear();
  const auto assign_all = [&] {
    for (auto& [shape, plan] : plans_) assign(plan);
  };
  try {
    assign_all();
  } catch (...) {
    recipe_ = std::move(recipe_before);
    observer_ = std::move(observer_before);
    targets_.swap(targets_before);
    assign_all();
    throw;
  }
}

bool Tap::wants(ggml_tensor* node) {
  if (recorder_) {
    recorder_->note(node);
    return false;
  }
  if (!has_work()) return false;
  if (plan_ == nullptr || asked_ == plan_->graph.size()) {
    if (plan_ != nullptr) finish_batch();
    if (batch_ == batches_.size()) refuse_graph("a graph was computed more often than there are batches");
    plan_ = &plans_.at(shape_of(batches_[batch_]));
    asked_ = dealt_with_ = shown_ = 0;
    if (skip_.is_active()) skip_.begin_batch(batches_[batch_], boundaries_of(*plan_));
  }
  const auto& expected = plan_->graph[asked_];
  if (expected.op != node->op || expected.name != node->name) {
    refuse_graph(fmt::format("node {} of the graph is {} ({}) where {} ({}) was before", asked_, node->name,
                             ggml_op_desc(node), expected.name, expected.operation));
  }
  const bool is_of_skip = skip_.ask(asked_, node);
  wanted_ = plan_->targets[asked_];
  shown_next_ = plan_->shown[asked_];
  const auto copies = plan_->copies.find(asked_++);
  copied_next_ = copies == plan_->copies.end() ? nullptr : &copies->second;
  return wanted_ != nullptr || shown_next_ != nullptr || copied_next_ != nullptr || is_of_skip;
}

void Tap::deal_with(ggml_tensor* node) {
  const auto& expected = plan_->graph[asked_ - 1];
  if (expected.name != node->name)
    refuse_graph(fmt::format("{} came where {} was asked for", node->name, expected.name));
  if (copied_next_ != nullptr) show_copies(*copied_next_, node);
  if (wanted_ != nullptr) round_node(*wanted_, node);
  if (shown_next_ != nullptr) show_node(*shown_next_, node);
  skip_.deal_with(asked_ - 1, node);  // what is kept is what the rest of the model sees
}

void Tap::round_node(Target& target, ggml_tensor* node) {
  check_lies_together(node, target.counters.site);
  if (!target.refusal.empty()) throw usage_error(target.refusal);
  ++dealt_with_;
  ++target.counters.evaluations;
  if (target.tokens.is_all()) target.computed += ggml_nelements(node);  // ggml's own count, whatever is rounded
  const auto shape = shape_of(node);
  if (ggml_backend_buffer_is_host(node->buffer)) {
    round_values(target, static_cast<float*>(node->data), shape);
    return;
  }
  staging_.resize(static_cast<std::size_t>(ggml_nelements(node)));
  ggml_backend_tensor_get(node, staging_.data(), 0, ggml_nbytes(node));
  round_values(target, staging_.data(), shape);
  if (!observer_) ggml_backend_tensor_set(node, staging_.data(), 0, ggml_nbytes(node));
}

void Tap::show_node(const ActivationSite& site, ggml_tensor* node) {
  check_lies_together(node, site.site.name);
  ++shown_;
  const auto count = static_cast<std::size_t>(ggml_nelements(node));
  if (count == 0) return;
  const auto* values = static_cast<const float*>(node->data);
  if (!ggml_backend_buffer_is_host(node->buffer)) {
    staging_.resize(count);
    ggml_backend_tensor_get(node, staging_.data(), 0, ggml_nbytes(node));
    values = staging_.data();
  }
  viewer_(site, {values, count}, node->ne[0]);
}

void Tap::show_copies(std::vector<Copy>& copies, ggml_tensor* node) {
  const auto& site = copies.front().target.site;
  check_lies_together(node, site.site.name);
  const auto count = static_cast<std::size_t>(ggml_nelements(node));
  if (count == 0) return;
  staging_.resize(count);
  ggml_backend_tensor_get(node, staging_.data(), 0, ggml_nbytes(node));
  for (auto& copy : copies) {
    copy_ = staging_;
    round_values(copy.target, copy_.data(), shape_of(node));
    copy_viewer_(copy.rule, site, staging_, copy_, node->ne[0]);
  }
}

void Tap::round_values(Target& target, float* values, const NodeShape& shape) {
  about(target.counters.site, [&] {
    if (observer_) return observe(target, values, shape);
    if (rounds_values_independently(target.format) && target.tokens.is_all()) return round_rows(target, values, shape);
    const auto layout = token_layout(shape, target.token_dimension, batches_[batch_]);
    if (needs_token_layout(target.format) || !target.tokens.is_all() || layout.inner < layout.row) {
      round_tokens(target, values, layout);
    } else {
      round_rows(target, values, shape);
    }
  });
}

TokenDimension Tap::token_dimension_of(const std::string& site) const {
  const auto two = plans_.find({2, 2}), three = plans_.find({3, 3});
  if (two == plans_.end() || three == plans_.end()) return {};
  const auto* of_two = find_site(two->second.sites, site);
  const auto* of_three = find_site(three->second.sites, site);
  if (of_two != nullptr && of_three != nullptr) return find_token_dimension(of_two->shapes, of_three->shapes);
  // What is computed for one token alone is all that token's.
  const auto* of_one = find_site(plans_.at({1, 1}).sites, site);
  if (of_one == nullptr || of_one->shape[3] != 1) return {};
  return {TokenDimension::found, 3, false, {}};
}

void Tap::observe(Target& target, const float* values, const NodeShape& shape) {
  const auto columns = shape[0];
  const auto show = [&](const float* first, std::int64_t count) {
    if (count == 0) return;
    count_rows(target.counters, count, columns);
    observer_(target.site, {first, static_cast<std::size_t>(count)}, columns);
  };
  if (target.tokens.is_all()) return show(values, elements_of(shape));
  const auto layout = token_layout(shape, target.token_dimension, batches_[batch_]);
  for (std::int64_t o = 0; o < layout.outer; ++o) {
    for (std::int64_t t = 0; t < layout.tokens; ++t) {
      const auto place = layout.places[static_cast<std::size_t>(t)];
      if (!target.tokens.contains(static_cast<std::uint32_t>(place))) continue;
      show(values + (o * layout.tokens + t) * layout.inner, layout.inner);
    }
  }
}

void Tap::round_rows(Target& target, float* values, const NodeShape& shape) {
  // Each row's figures are its own, put together in the rows' order: neither threads nor batches change them.
  const auto columns = shape[0], rows = shape[1] * shape[2] * shape[3];
  count_rows(target.counters, rows * columns, columns);
  if (columns == 0) return;
  Placement placement;
  placement.scale = target.static_scale;
  std::vector<RoundingErrors> parts(static_cast<std::size_t>(rows));
  const int threads = rows * columns < kWorthSharing ? 1 : threads_;
  const std::int64_t rows_a_piece = std::max<std::int64_t>(1, kWorthSharing / 4 / columns);
  parallel_for((rows + rows_a_piece - 1) / rows_a_piece, threads, [&](std::int64_t piece) {
    const auto end = std::min(rows, (piece + 1) * rows_a_piece);
    for (auto row = piece * rows_a_piece; row < end; ++row) {
      parts[static_cast<std::size_t>(row)] =
          fake_quantize(target.format, {values + row * columns, static_cast<std::size_t>(columns)}, placement);
    }
  });
  for (const auto& part : parts) target.counters.errors.add(part);
}

void Tap::round_tokens(Target& target, float* values, const TokenLayout& layout) {
  const auto values_of_token = layout.inner * layout.outer;
  if (values_of_token == 0) return;
  std::vector<std::size_t> chosen;
  for (std::size_t t = 0; t < layout.places.size(); ++t) {
    if (target.tokens.contains(static_cast<std::uint32_t>(layout.places[t]))) chosen.push_back(t);
  }
  const auto tokens = static_cast<std::int64_t>(chosen.size());
  count_rows(target.counters, tokens * values_of_token, layout.row);
  if (!target.tokens.is_all()) target.computed += tokens * values_of_token;
  std::vector<RoundingErrors> parts(chosen.size());
  const int threads = values_of_token * tokens < kWorthSharing ? 1 : threads_;
  parallel_for(tokens, threads, [&](std::int64_t index) {
    const auto part = static_cast<std::size_t>(index), token = chosen[part];
    Placement placement;
    placement.row = layout.row;
    placement.scale = target.static_scale;
    placement.random = {target.random_key, layout.places[token]};
    float* const first = values + static_cast<std::int64_t>(token) * layout.inner;
    if (layout.outer == 1) {
      parts[part] = fake_quantize(target.format, {first, static_cast<std::size_t>(values_of_token)}, placement);
      return;
    }
    std::vector<float> together(static_cast<std::size_t>(values_of_token));
    const auto run = [&](std::int64_t o) { return first + o * layout.tokens * layout.inner; };
    for (std::int64_t o = 0; o < layout.outer; ++o) {
      std::copy_n(run(o), layout.inner, together.begin() + o * layout.inner);
    }
    parts[part] = fake_quantize(target.format, together, placement);
    for (std::int64_t o = 0; o < layout.outer; ++o) {
      std::copy_n(together.begin() + o * layout.inner, layout.inner, run(o));
    }
  });
  for (const auto& part : parts) target.counters.errors.add(part);
}

void Tap::begin_evaluation(std::vector<TokenBatch> batches) {
  skip_.check(batches);
  for (const auto& batch : batches) {
    if (skip_.layer() == 0) break;
    auto& plan = plans_.at(shape_of(batch));
    if (plan.first_looked_at() <= boundaries_of(plan)[static_cast<std::size_t>(skip_.layer()) - 1].last) {
      throw Error(fmt::format("below layer {}, where this text was begun, something is now to be rounded or shown",
                              skip_.layer()));
    }
  }
  batches_ = std::move(batches);
  batch_ = 0;
  plan_ = nullptr;
}

const std::vector<LayerBoundary>& Tap::boundaries_of(Plan& plan) {
  if (!plan.boundaries) plan.boundaries = find_layer_boundaries(plan.graph);
  return *plan.boundaries;
}

int Tap::Plan::first_looked_at() const {
  std::size_t node = 0;
  while (node < targets.size() && targets[node] == nullptr && shown[node] == nullptr && !copies.contains(node)) ++node;
  return static_cast<int>(node);
}

StartingPoint Tap::begin_from(const HiddenStates& states, int unchanged) {
  std::vector<const std::vector<LayerBoundary>*> boundaries;
  std::vector<int> first_changed;
  for (const auto& batch : states.batches) {
    auto& plan = plans_.at(shape_of(batch.tokens));
    boundaries.push_back(&boundaries_of(plan));
    first_changed.push_back(plan.first_looked_at());
  }
  auto start = find_starting_point(states, boundaries, first_changed, unchanged);
  skip_.stop();
  if (start.layer > 0) skip_.begin_from(states, start.layer);
  return start;
}

// At the end of a batch's graph.
void Tap::finish_batch() {
  if (asked_ != plan_->graph.size() || dealt_with_ != plan_->target_count || shown_ != plan_->shown_sites.size()) {
    refuse_graph(fmt::format("{} of {} nodes were asked for, {} of {} sites dealt with and {} of {} shown", asked_,
                             plan_->graph.size(), dealt_with_, plan_->target_count, shown_, plan_->shown_sites.size()));
  }
  plan_ = nullptr;
  ++batch_;
  skip_.end_batch();
}

void Tap::finish_evaluation(bool is_complete) {
  skip_.restore_flags();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  if (!is_complete || !has_work()) return;
  if (plan_ != nullptr) finish_batch();
  if (batch_ != batches_.size()) refuse_graph(fmt::format("{} of {} batches were computed", batch_, batches_.size()));
  for (const auto& [name, target] : targets_) {
    const auto& counters = target.counters;
    if (observer_ || (counters.errors.elements == target.computed &&
                      (counters.columns == 0 || counters.errors.elements == counters.rows * counters.columns))) {
      continue;
    }
    refuse_graph(
        fmt::format("{} values of {} were computed and {} rounded", target.computed, name, counters.errors.elements));
  }
}

std::vector<SiteCounters> Tap::counters() const {
  std::vector<const Target*> order;
  for (const auto& [name, target] : targets_) order.push_back(&target);
  std::stable_sort(order.begin(), order.end(), [](const Target* a, const Target* b) { return a->place < b->place; });
  // What only other graphs than those that were computed have is left out.
  const bool is_computed =
      std::any_of(order.begin(), order.end(), [](const Target* target) { return target->counters.evaluations > 0; });
  std::vector<SiteCounters> all;
  for (const auto* target : order) {
    if (target->counters.evaluations > 0 || !is_computed) all.push_back(target->counters);
  }
  return all;
}

}  // namespace fakequant
