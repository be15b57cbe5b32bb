// The tap: all that fakequant does inside a running model. It puts together the parts, each in a file of its own:
//
// - GraphWatch learns the graphs (graph_watch.h);
// - actions say what is to be done at which nodes (round_action.h, observe_action.h, show_action.h, copy_action.h,
//   product_inputs.h, layer_skip.h, reference_arithmetic.h, embedding_jitter.h), as plans for each shape of graph
//   (node_action.h);
// - GraphWalk walks the plans while llama.cpp computes (graph_walk.h).
//
// Only this file knows all of them, and it holds nothing but them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "engine/changed_weights.h"
#include "engine/copy_action.h"
#include "engine/embedding_jitter.h"
#include "engine/full_cache.h"
#include "engine/graph_walk.h"
#include "engine/graph_watch.h"
#include "engine/layer_skip.h"
#include "engine/observe_action.h"
#include "engine/product_inputs.h"
#include "engine/reference_arithmetic.h"
#include "engine/refilled_weights.h"
#include "engine/round_action.h"
#include "engine/show_action.h"

namespace fakequant {

class Tap {
 public:
  // The watch may be that of several taps that see the same graphs. It must outlive this.
  Tap(GraphWatch& watch, int threads)
      : watch_(watch),
        walk_(watch_, [this] { skip_.restore_flags(); }),
        copies_(watch_, threads),
        observing_(watch_),
        arithmetic_(watch_, full_caches_, threads),
        refilled_(threads),
        rounding_(watch_, threads, full_caches_) {}
  Tap(const Tap&) = delete;  // its parts hold each other's addresses
  Tap& operator=(const Tap&) = delete;

  // For llama_context_params, cb_eval_user_data of GraphWalk::callback.
  GraphWalk* walk() { return &walk_; }

  // Between begin_watching() and one of the others the graph of this shape is watched, and nothing else is done.
  void begin_watching() { watch_.begin(); }
  void end_watching(const GraphShape& shape, int layers);

  // Plans what is to be done in graphs of this shape, which have been watched.
  void plan(const GraphShape& shape);
  void cancel_watching();

  const GraphWatch& watch() const { return watch_; }

  // Whether what is done in graphs of this shape is planned, or nothing is to be done in them.
  bool is_ready_for(const GraphShape& shape) const { return !is_active() || walk_.has_plan(Stage::round, shape); }

  // Before any graph is watched: products are computed in float32 (reference_arithmetic.h).
  void use_reference_arithmetic();

  // Computes with these weights instead of the model's from now on (changed_weights.h): before any graph is watched,
  // and after use_reference_arithmetic().
  void change_weights(const ChangedWeights& weights, const ModelTensors& tensors);

  // The streamed weights that cannot be, as the watched graphs read them.
  std::vector<std::string> not_streamable() const;

  // Puts changed weights in place of the model's, and back. Around everything that llama.cpp computes in this context.
  void install_weights();
  void remove_weights();

  // Changes the embeddings a little from now on (embedding_jitter.h). Throws as EmbeddingJitter::plan does.
  void jitter_embeddings(std::uint64_t seed);

  // What is done from now on, in all graphs. The five do not touch each other; the headers of the actions say what each
  // does and throws.
  void set_recipe(const Recipe& recipe);
  void observe(const Recipe& rules, Observer observer);
  void show_values(SiteChoice choose, Observer viewer);
  void round_copies(const Recipe& rules, CopyViewer viewer);
  void show_inputs(InputViewer viewer, WeightChoice choose);

  // At the beginning of a text, whose first batch comes next: keeps the hidden states of its evaluations, or begins
  // from those that were kept of the same batches, whose graphs have been watched. What the layers below `unchanged`
  // compute is the same but for what the tap changes, which is taken into account here. The states must live until the
  // text ends.
  void keep_hidden_states(HiddenStates& states);
  StartingPoint begin_from(const HiddenStates& states, int unchanged);

  // Likewise, for evaluations of which only what is shown is wanted: begins from states that were carried to a layer
  // below `layer` (from no batches: at the beginning), keeps in `to` what enters `layer`, or the deepest before it that
  // a text can begin at, and leaves out what follows the last node at which something is done.
  StartingPoint carry(const HiddenStates& from, HiddenStates& to, int layer);
  void end_text();

  // Before an evaluation: the tokens that will go through the graph, in their batches. Throws an Error where the text
  // began at a layer, and these are other tokens or something is now to be done below it.
  void begin_evaluation(std::vector<TokenBatch> batches);

  // After it. Rethrows what went wrong inside the callback. Where the evaluation is complete, checks that every node
  // was met, every action taken and every value rounded exactly once.
  void finish_evaluation(bool is_complete);

  std::vector<SiteCounters> counters() const { return rounding_.counters(); }

  // Whether a cache is also kept in full (full_cache.h).
  bool keeps_in_full() const { return !full_caches_->is_empty(); }

  // A number that differs where the first tokens lie elsewhere in such a cache.
  std::size_t fingerprint_of_caches(int tokens) const { return full_caches_->fingerprint(tokens); }

 private:
  bool is_active() const;
  StartingPoint start_of(const HiddenStates& states, int unchanged);
  template <typename Action>
  void replan(Stage stage, const Action& action);

  GraphWatch& watch_;
  GraphWalk walk_;
  std::shared_ptr<FullCaches> full_caches_ = std::make_shared<FullCaches>();
  CopyAction copies_;
  EmbeddingJitter jitter_;
  ObserveAction observing_;
  ProductInputs inputs_;
  ReferenceArithmetic arithmetic_;
  ResidentWeights resident_;
  RefilledWeights refilled_;
  RoundAction rounding_;
  ShowAction showing_;
  LayerSkip skip_;
};

}  // namespace fakequant
