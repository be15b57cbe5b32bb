// A running model: tokens in, logits out, with or without a tap.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "engine/attention_options.h"
#include "engine/compute_options.h"
#include "engine/model.h"
#include "engine/shared_context.h"
#include "engine/tap.h"

struct llama_context;

namespace fakequant {

struct ContextOptions {
  int ctx_size = 512;  // tokens that the context holds
  int threads = 1;
  int batch_size = 0;   // tokens that go through the graph together, at most; 0: min(512, ctx_size)
  int max_outputs = 0;  // tokens of an evaluation whose logits are asked for, at most; 0: all. Memory is kept for them
  AttentionOptions attention = {};
  Arithmetic arithmetic = Arithmetic::native;
};

// A context of this size that is computed as the options say.
inline ContextOptions context_options(int ctx_size, const ComputeOptions& compute) {
  return {ctx_size, compute.threads, compute.batch_size, 0, compute.attention, compute.arithmetic};
}

// How many tokens go through the graph together, at most.
int tokens_together(const ContextOptions& options);

// The tokens of an evaluation whose logits are wanted, by their index in it.
struct OutputRange {
  std::size_t first = 0;
  std::size_t count = 0;

  bool contains(std::size_t index) const { return index >= first && index - first < count; }
};

class Context {
 public:
  // Makes a context without rules: of native arithmetic without a tap, so that it computes what llama.cpp computes. The
  // model must outlive it, and have been loaded for this arithmetic. Throws an Error when llama.cpp cannot make one,
  // for instance for lack of memory; in f32 arithmetic also as Model::check_embeddings does.
  Context(const Model& model, const ContextOptions& options);

  // Makes a context with a tap that rounds by the recipe's activation rules; without rules it only watches. Throws as
  // set_recipe does.
  //
  // With `weights` it computes with those in place of the model's. With `shared` it takes a place there:
  // its logits are valid until another context there evaluates something.
  Context(const Model& model, const ContextOptions& options, const Recipe& recipe, const ChangedWeights& weights = {},
          std::shared_ptr<SharedContext> shared = std::make_shared<SharedContext>());

  // The functions down to clear() need the tap. Of a context that was made without one they throw an Error.

  // Rounds by these activation rules from the next evaluation on, instead of those before; the counters start at zero.
  // Throws a usage error when a rule matches nothing or cannot be followed; then the recipe stays as it was.
  void set_recipe(const Recipe& recipe) { tap().set_recipe(recipe); }

  // Shows `observer`, from the next evaluation on and beside whatever else is done, the values that the rules name, as
  // they were computed. Throws as set_recipe does. Without rules nothing is shown.
  void observe(const Recipe& rules, Observer observer) { tap().observe(rules, std::move(observer)); }

  // Likewise shows `viewer` the values of the nodes that are chosen, as the nodes that read them find them: after the
  // rounding. Without a viewer nothing is shown.
  void show_values(SiteChoice choose, Observer viewer) { tap().show_values(std::move(choose), std::move(viewer)); }

  // Likewise rounds copies of the values that the rules name, each rule by itself, and shows them to `viewer`. What the
  // model computes stays as it is. Without rules nothing is copied.
  void round_copies(const Recipe& rules, CopyViewer viewer) { tap().round_copies(rules, std::move(viewer)); }

  // Likewise shows `viewer` the rows that the products with the model's weights read (product_inputs.h), as the
  // products find them: after all rounding; of those weights only that are chosen. Without a viewer nothing is shown.
  void show_inputs(InputViewer viewer, WeightChoice choose = {}) {
    tap().show_inputs(std::move(viewer), std::move(choose));
  }

  // Changes the embeddings of the tokens a little from the next evaluation on, by this seed (embedding_jitter.h).
  void jitter_embeddings(std::uint64_t seed) { tap().jitter_embeddings(seed); }

  // The activations that a rule can name, in the graph's order.
  const std::vector<ActivationSite>& sites() const { return tap().watch().sites(); }

  // Which dimension of a site's values counts the tokens.
  TokenDimension token_dimension(const std::string& site) const { return tap().watch().token_dimension(site); }

  // The graph of one token, and that of so many tokens and outputs together. What the context holds stays as it is.
  const Graph& graph() const { return tap().watch().graph({1, 1}).nodes; }
  const Graph& graph(const GraphShape& shape);

  // After clear() and until the next: keeps in `states`, instead of what they hold, what the layers hand to each other
  // (hidden_states.h says how much that is). The states must live until then. Nothing is kept of a model of which a
  // device holds layers.
  void keep_hidden_states(HiddenStates& states);

  // Likewise: the evaluations that follow are those of which the states were kept, the same tokens with the same
  // outputs in the same pieces, by this model under another recipe. The layers below the first that the recipe rounds
  // in are not computed again where the graph allows that: logits and counters are those of a whole evaluation. Says at
  // which layer they begin, or why at none; then all is computed. `unchanged`: the layers at the model's beginning
  // whose weights are the same; all where it is left out.
  StartingPoint begin_from(const HiddenStates& states, int unchanged = std::numeric_limits<int>::max());

  // Likewise, for evaluations of which only what is shown is wanted, so that a text goes through the model a layer at a
  // time: begins from states that an earlier carry() kept, since when only layers from the one before `layer` on
  // have changed (without batches: at the beginning). Keeps in `to` what enters `layer`, or the deepest layer
  // before it that the graph can be begun at. Nodes after the last at which something is shown or rounded are not
  // computed, and there are no logits. Where a device holds layers, all is computed and nothing kept.
  StartingPoint carry(const HiddenStates& from, HiddenStates& to, int layer);

  // Before any tokens: watches the graphs in which evaluate() will compute so many. Later it would have to put aside
  // what the context holds.
  void watch_graphs(std::size_t tokens, const OutputRange& outputs);

  // Forgets all tokens. Those that follow belong to the sequence of this number, which only stochastic rounding looks
  // at.
  void clear(std::uint32_t sequence = 0);

  // Forgets the tokens from this position on, so that others can follow those before it. Returns false where the
  // model's memory cannot forget a part: then all are forgotten.
  bool forget_from(int position);

  // Evaluates tokens that follow those evaluated since clear(), and keeps the logits of `outputs`. Throws an Error when
  // llama.cpp fails, and where begin_from() was told of other tokens.
  void evaluate(std::span<const Token> tokens, const OutputRange& outputs);

  // The same, with the logits of the last token only.
  void evaluate(std::span<const Token> tokens) { evaluate(tokens, {tokens.size() - 1, 1}); }

  // The logits that followed the token at this index of the last evaluate(); valid until the next. Not for several
  // threads at once: llama.cpp puts its outputs in order when they are first asked for.
  std::span<const float> logits(std::size_t index) const;

  const Model& model() const { return *model_; }
  Arithmetic arithmetic() const { return arithmetic_; }
  llama_context* get() const { return place_->get(); }
  int position() const { return position_; }
  int batch_size() const;

  // What rounding did since the recipe was set, site by site; empty without a tap.
  std::vector<SiteCounters> counters() const;

 private:
  // Joined, and not open.
  Context(std::shared_ptr<SharedContext> shared, const Model& model, const ContextOptions& options);
  void open(const ContextOptions& options, bool is_tapped);
  void make_context(const ContextOptions& options, bool is_tapped);
  void open_with(const ContextOptions& options, ChangedWeights weights);
  void make_tap(int threads);
  void forget(std::uint32_t sequence);  // all tokens
  // Lets the tap plan what it does in graphs of this shape, which are watched where they have not been.
  void prepare(const GraphShape& shape);
  // Lets the tap watch the graph of this shape. What the context holds stays as it is.
  void watch_graph(const GraphShape& shape);
  Tap& tap();  // throws an Error where there is none
  const Tap& tap() const;
  int decode(std::span<const Token> tokens, const OutputRange& outputs);
  // Evaluates tokens in one call of llama.cpp, which holds the logits.
  void evaluate_together(std::span<const Token> tokens, const OutputRange& outputs);
  std::span<const float> llama_logits(std::size_t index) const;
  // How llama.cpp divides the tokens of one sequence: as many as fit, in their order.
  std::vector<TokenBatch> batches_of(std::span<const Token> tokens, const OutputRange& outputs) const;

  const Model* model_;
  Arithmetic arithmetic_;
  SharedPlace place_;
  std::shared_ptr<GraphWatch> watch_;  // that of the shared context, unless weights have types of their own
  std::unique_ptr<Tap> tap_;           // never null, and idle where is_tapped_ is false
  bool is_tapped_ = false;
  int position_ = 0;
  std::uint32_t sequence_ = 0;
  // Tokens that go through the graph together. llama.cpp must take three of them, because the tap watches the graph of
  // three tokens: where fewer are asked for, evaluate() divides them, and keeps the logits of the last evaluation.
  std::size_t batch_size_ = 0;
  std::size_t first_kept_ = 0;  // the index of the first of the kept logits
  std::vector<float> kept_logits_;
};

}  // namespace fakequant
