// The tap: rounds activations while llama.cpp computes them.
//
// llama.cpp's scheduler offers a door, cb_eval: it asks for each node of the graph, in order, whether its data is
// wanted, and calls again when a wanted node has just been computed, before anything reads it. What is written to the
// node then is what the rest of the model sees.
//
// Who reads a value is known only when the whole graph has been asked for, and so which node a rule means. So each
// shape of graph (that of one token, that of a chunk) is watched once, and becomes a plan: for each node, in order, its
// name, its operation, and what is to be done with it. Every question afterwards is held against the plan.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/activation_sites.h"
#include "engine/graph.h"
#include "engine/graph_shape.h"
#include "engine/hidden_states.h"
#include "engine/layer_boundaries.h"
#include "engine/layer_skip.h"
#include "engine/site_counters.h"
#include "engine/token_rows.h"
#include "format/scale_search.h"
#include "recipe/rule.h"
#include "recipe/static_ranges.h"

struct ggml_tensor;

namespace fakequant {

// Sees values of a site: whole rows of `columns`.
using Observer = std::function<void(const ActivationSite& site, std::span<const float> values, std::int64_t columns)>;

// Sees what rounding would make of values of a site: whole rows of `columns`, as they are and as they would be. `rule`
// is the place of the rule by which they were rounded.
using CopyViewer = std::function<void(std::size_t rule, const ActivationSite& site, std::span<const float> before,
                                      std::span<const float> after, std::int64_t columns)>;

// Picks nodes of a graph, whose sites are given: some of these, or others that compute, under names of its own.
using SiteChoice =
    std::function<std::vector<ActivationSite>(const Graph& graph, const std::vector<ActivationSite>& sites)>;

class Tap {
 public:
  explicit Tap(int threads) : threads_(threads) {}
  Tap(const Tap&) = delete;  // llama.cpp holds its address
  Tap& operator=(const Tap&) = delete;

  // For llama_context_params: cb_eval and cb_eval_user_data (the tap).
  static bool callback(ggml_tensor* node, bool ask, void* tap);

  // Between these two calls one graph of this shape is watched, and nothing is rounded. The first must be those of
  // shapes_to_begin_with(). `layers`: of the model.
  static std::vector<GraphShape> shapes_to_begin_with() { return {{1, 1}, {2, 2}, {3, 3}}; }
  void begin_watching();
  void end_watching(const GraphShape& shape, int layers);

  // Whether graphs of this shape have been watched, or need not be.
  bool is_ready_for(const GraphShape& shape) const { return !has_work() || has_watched(shape); }
  bool has_watched(const GraphShape& shape) const { return plans_.contains(shape); }

  // The activations that the graph of one token computes, in its order, and behind them those that are computed only
  // for several.
  const std::vector<ActivationSite>& sites() const { return sites_; }

  // The graph of a shape that has been watched.
  const Graph& graph(const GraphShape& shape = {1, 1}) const { return plans_.at(shape).graph; }

  // Rounds by these activation rules from now on, or, with an observer, shows it what they name, as it was computed,
  // and rounds nothing; all counters start at zero. Throws as match_sites does, when a row cannot be held in its
  // format, when a scale would span several tokens, and when a file of ranges cannot be read or has none for a site;
  // then all stays as it was.
  void set_recipe(const Recipe& recipe, Observer observer = {});

  // Shows `viewer` from now on, beside whatever the recipe does, all values of the nodes that are chosen in each graph,
  // once in each evaluation: as those who read them find them, behind the rounding. Without a viewer nothing is shown.
  void show_values(SiteChoice choose, Observer viewer);

  // Rounds from now on copies of the values that the rules name, each rule by itself and all in one evaluation, and
  // shows them to `viewer`; what the model computes stays as it is. The rules are such as set_recipe() has taken; what
  // one cannot round in some graph is left out there. Not beside an observer. Without rules nothing is copied.
  void round_copies(const Recipe& rules, CopyViewer viewer);

  // At the beginning of a text, whose first batch comes next: keeps the hidden states of its evaluations, or begins
  // from those that were kept of the same batches, the graphs of which have been watched. What the layers below
  // `unchanged` compute is the same but for the recipe; that is looked at here. The states must live until the text
  // ends.
  void keep_hidden_states(HiddenStates& states) { skip_.keep(states); }
  StartingPoint begin_from(const HiddenStates& states, int unchanged);
  void end_text() { skip_.stop(); }

  // Before an evaluation: the tokens that will go through the graph, in the batches in which they do. Throws an Error
  // where the evaluation begins at a layer, and these are other tokens or the recipe now changes a layer below.
  void begin_evaluation(std::vector<TokenBatch> batches);

  // Rethrows what went wrong inside the callback. Where the evaluation came to its end, checks that every node was met
  // and every site dealt with exactly once.
  void finish_evaluation(bool is_complete);

  // Of the sites that rules name, in the graph's order.
  std::vector<SiteCounters> counters() const;

 private:
  struct Target {
    ActivationSite site;
    std::size_t place = 0;  // among the sites of one token
    Format format;
    TokenSet tokens;
    SiteCounters counters;
    std::optional<SharedScale> static_scale;
    TokenDimension token_dimension;
    std::uint64_t random_key = 0;
    std::string refusal;        // why it cannot be rounded, said when it is computed; empty where it can
    std::int64_t computed = 0;  // values that were to be rounded, by ggml's own count
  };
  struct Copy {
    std::size_t rule;
    Target target;
  };
  struct Plan {
    Graph graph;
    std::vector<ActivationSite> sites;
    std::vector<Target*> targets;  // for each node of the graph, null for those that are left alone
    std::size_t target_count = 0;
    std::vector<ActivationSite> shown_sites;
    std::vector<const ActivationSite*> shown;              // for each node, likewise: what the viewer sees
    std::map<std::size_t, std::vector<Copy>> copies;       // of a node's values
    std::optional<std::vector<LayerBoundary>> boundaries;  // once they were asked for

    int first_looked_at() const;  // that is rounded or shown; the size of the graph where none is
  };

  bool has_work() const { return !targets_.empty() || viewer_ || copy_viewer_ || skip_.is_active(); }
  void assign(Plan& plan);
  void assign_shown(Plan& plan) const;
  void assign_copies(Plan& plan);
  static const std::vector<LayerBoundary>& boundaries_of(Plan& plan);
  std::vector<ActivationSite> all_sites() const;
  bool is_always_named(const std::string& site) const;
  Target make_target(const ActivationSite& site, const Rule& rule);
  bool wants(ggml_tensor* node);
  void deal_with(ggml_tensor* node);
  void round_node(Target& target, ggml_tensor* node);
  void show_node(const ActivationSite& site, ggml_tensor* node);
  void show_copies(std::vector<Copy>& copies, ggml_tensor* node);
  void finish_batch();
  void round_values(Target& target, float* values, const NodeShape& shape);
  void round_rows(Target& target, float* values, const NodeShape& shape);
  void round_tokens(Target& target, float* values, const TokenLayout& layout);
  void observe(Target& target, const float* values, const NodeShape& shape);
  TokenDimension token_dimension_of(const std::string& site) const;

  int threads_;
  int layers_ = 0;
  std::optional<GraphRecorder> recorder_;  // while a graph is watched
  std::vector<ActivationSite> sites_;
  std::map<GraphShape, Plan> plans_;  // their targets point into targets_
  Recipe recipe_;
  Observer observer_;
  SiteChoice choose_shown_;
  Observer viewer_;
  Recipe copy_rules_;
  CopyViewer copy_viewer_;
  std::map<std::string, Target> targets_;       // by the site's name
  std::map<std::string, StaticRanges> ranges_;  // by their file
  LayerSkip skip_;

  // The evaluation that is going on.
  std::vector<TokenBatch> batches_;
  std::size_t batch_ = 0;
  Plan* plan_ = nullptr;
  std::size_t asked_ = 0;                       // nodes of the batch's graph
  std::size_t dealt_with_ = 0;                  // targets of the batch's graph
  std::size_t shown_ = 0;                       // likewise
  Target* wanted_ = nullptr;                    // whose data comes next
  const ActivationSite* shown_next_ = nullptr;  // likewise
  std::vector<Copy>* copied_next_ = nullptr;    // likewise
  std::vector<float> staging_, copy_;
  std::exception_ptr error_;
};

}  // namespace fakequant
