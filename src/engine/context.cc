#include "engine/context.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <utility>

#include "engine/backend.h"
#include "engine/context_parameters.h"
#include "engine/model_kind.h"
#include "error.h"

namespace fakequant {
namespace {

struct Batch {
  explicit Batch(std::size_t tokens) : batch(llama_batch_init(static_cast<std::int32_t>(tokens), 0, 1)) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch() { llama_batch_free(batch); }
  llama_batch batch;
};

// Keeps all values of a streamed weight in memory, as they are stored.
void make_resident(ChangedWeight& weight, const ggml_tensor& tensor) {
  const auto bytes = std::make_shared<TensorBytes>(ggml_row_size(static_cast<ggml_type>(weight.type), tensor.ne[0]) *
                                                   static_cast<std::size_t>(ggml_nrows(&tensor)));
  weight.fill(0, bytes->bytes());
  weight.bytes = bytes;
}

}  // namespace

Context::Context(std::shared_ptr<SharedContext> shared, const Model& model, const ContextOptions& options)
    : model_(&model), arithmetic_(options.arithmetic), place_(std::move(shared)), watch_(place_->watch()) {
  make_tap(options.threads);
}

Context::Context(const Model& model, const ContextOptions& options)
    : Context(std::make_shared<SharedContext>(), model, options) {
  open(options, options.arithmetic == Arithmetic::f32);
}

Context::Context(const Model& model, const ContextOptions& options, const Recipe& recipe, const ChangedWeights& weights,
                 std::shared_ptr<SharedContext> shared)
    : Context(std::move(shared), model, options) {
  if (weights.empty()) {
    open(options, true);
  } else {
    open_with(options, weights);
  }
  set_recipe(recipe);
}

void Context::make_tap(int threads) { tap_ = std::make_unique<Tap>(*watch_, threads); }

// A weight that is to be streamed may be read in a way in which it cannot be, such as by an operation that f32
// arithmetic leaves to llama.cpp. That shows in the graph, and then it becomes resident.
void Context::open_with(const ContextOptions& options, ChangedWeights weights) {
  if (model_->tensors().empty()) {
    const Context watched(*model_, {.ctx_size = kMaxFirstTokens, .arithmetic = options.arithmetic}, Recipe{});
  }
  for (;;) {
    // A kernel rounds its input to what goes with the weight's type, which is the variant's own.
    if (arithmetic_ == Arithmetic::native) watch_ = std::make_shared<GraphWatch>();
    make_tap(options.threads);
    if (arithmetic_ == Arithmetic::f32) tap_->use_reference_arithmetic();
    tap_->change_weights(weights, model_->tensors());
    open(options, true);
    const auto misfits = tap_->not_streamable();
    if (misfits.empty()) return;
    for (auto& weight : weights) {
      if (std::find(misfits.begin(), misfits.end(), weight.name) != misfits.end()) {
        make_resident(weight, *model_->tensors().at(weight.name).begin()->first);
      }
    }
  }
}

const Tap& Context::tap() const {
  if (!is_tapped_) throw Error("this context was made without a tap: nothing can be rounded or shown in it");
  return *tap_;
}

Tap& Context::tap() { return const_cast<Tap&>(std::as_const(*this).tap()); }

const Graph& Context::graph(const GraphShape& shape) {
  if (!tap().watch().has(shape)) watch_graph(shape);
  return tap().watch().graph(shape).nodes;
}

void Context::open(const ContextOptions& options, bool is_tapped) {
  batch_size_ = static_cast<std::size_t>(tokens_together(options));
  is_tapped_ = is_tapped;
  if (options.arithmetic == Arithmetic::f32) {
    model_->check_embeddings();
    tap_->use_reference_arithmetic();
  }
  if (place_->get() == nullptr) make_context(options, is_tapped);
  if (!is_tapped) return;
  for (const auto& shape : GraphWatch::first_shapes()) prepare(shape);
}

void Context::make_context(const ContextOptions& options, bool is_tapped) {
  auto parameters = context_parameters(options, place_->places(), model_->is_offloaded());
  if (is_tapped) {
    parameters.cb_eval = SharedContext::callback;
    parameters.cb_eval_user_data = &*place_;
  }
  clear_engine_error();
  place_->begin(tap_->walk());
  place_->open(llama_init_from_model(model_->get(), parameters));
  if (get() == nullptr) {
    const auto types = to_string(options.attention, options.arithmetic);
    throw Error(fmt::format("llama.cpp cannot make a context of {} tokens{} for {}: {}", options.ctx_size,
                            types.empty() ? "" : " with " + types, model_->path(), engine_error()));
  }
  if (llama_get_memory(get()) == nullptr) {
    place_->close();
    throw Error(fmt::format("{} is {}, which does not predict the next token: fakequant measures models that do",
                            model_->path(), kind_without_memory(model_->get())));
  }
}

void Context::clear(std::uint32_t sequence) {
  if (is_tapped_) tap_->end_text();
  forget(sequence);
}

void Context::forget(std::uint32_t sequence) {
  place_->forget(place_.number());
  position_ = 0;
  sequence_ = sequence;
}

bool Context::forget_from(int position) {
  if (is_tapped_) tap_->end_text();
  auto* memory = llama_get_memory(get());
  // Recurrent layers hold one state, and attention windows may have dropped the first tokens.
  const bool has_all = llama_memory_seq_pos_min(memory, place_.number()) == 0;
  if (position <= 0 || !has_all || !llama_memory_seq_rm(memory, place_.number(), position, -1)) {
    forget(sequence_);
    return position <= 0;
  }
  position_ = std::min(position_, position);
  return true;
}

void Context::keep_hidden_states(HiddenStates& states) {
  auto& tap = this->tap();
  states.batches.clear();
  if (!model_->is_offloaded()) tap.keep_hidden_states(states);
}

StartingPoint Context::begin_from(const HiddenStates& states, int unchanged) {
  auto& tap = this->tap();
  if (model_->is_offloaded()) return {0, "a device holds layers of the model"};
  for (const auto& batch : states.batches) {
    prepare(shape_of(batch.tokens));
  }
  return tap.begin_from(states, unchanged);
}

StartingPoint Context::carry(const HiddenStates& from, HiddenStates& to, int layer) {
  auto& tap = this->tap();
  to.batches.clear();
  if (model_->is_offloaded()) return {0, "a device holds layers of the model"};
  for (const auto& batch : from.batches) prepare(shape_of(batch.tokens));
  return tap.carry(from, to, layer);
}

void Context::prepare(const GraphShape& shape) {
  if (!tap_->watch().has(shape)) return watch_graph(shape);
  if (!tap_->is_ready_for(shape)) tap_->plan(shape);
}

void Context::watch_graphs(std::size_t tokens, const OutputRange& outputs) {
  if (!is_tapped_) return;
  for (std::size_t begin = 0; begin < tokens; begin += batch_size_) {
    GraphShape shape{std::min(batch_size_, tokens - begin), 0};
    for (std::size_t i = begin; i < begin + shape.tokens; ++i) shape.outputs += outputs.contains(i) ? 1 : 0;
    prepare(shape);
  }
}

void Context::watch_graph(const GraphShape& shape) {
  const auto sequence = sequence_;
  const int position = position_;
  // Tokens that are also kept in full must stay where they are in the cache, which llama.cpp does not promise of those
  // that it restores. Then the graph is watched after them; recurrent layers cannot forget that.
  const bool is_behind = position > 0 && tap_->keeps_in_full() && !model_->has_recurrent_layers();
  const bool is_restored = position > 0 && !is_behind;
  std::vector<std::uint8_t> kept;
  if (is_restored) {
    kept.resize(llama_state_seq_get_size(get(), place_.number()));
    kept.resize(llama_state_seq_get_data(get(), kept.data(), kept.size(), place_.number()));
  }
  const auto held = tap_->fingerprint_of_caches(position);
  if (!is_behind) forget(sequence);
  // All nodes are asked for before any is computed: where the processor computes all of them, it may stop at once.
  if (!model_->is_offloaded()) {
    llama_set_abort_callback(
        get(), [](void*) { return true; }, nullptr);
  }
  tap_->begin_watching();
  const std::vector<Token> tokens(shape.tokens, std::max(model_->bos(), Token{0}));
  clear_engine_error();
  tap_->install_weights();
  const int status = decode(tokens, {shape.tokens - shape.outputs, shape.outputs});
  tap_->remove_weights();
  llama_set_abort_callback(get(), nullptr, nullptr);
  const auto why = engine_error();
  if (is_behind) {
    llama_memory_seq_rm(llama_get_memory(get()), place_.number(), position, -1);
  } else {
    forget(sequence);
  }
  if (is_restored) {
    if (llama_state_seq_set_data(get(), kept.data(), kept.size(), place_.number()) == 0) {
      tap_->cancel_watching();
      throw Error(fmt::format("llama.cpp cannot restore the {} tokens that {} had read", position, model_->path()));
    }
    position_ = position;
  }
  if (tap_->fingerprint_of_caches(position) != held) {
    tap_->cancel_watching();
    throw Error(
        fmt::format("llama.cpp put the {} tokens that {} had read elsewhere in the cache, where keep= and "
                    "per=channel do not find them",
                    position, model_->path()));
  }
  constexpr int kAborted = 2;
  if (status != 0 && status != kAborted) {
    tap_->cancel_watching();
    throw Error(fmt::format("llama.cpp cannot evaluate {} tokens (status {}): {}", shape.tokens, status, why));
  }
  tap_->end_watching(shape, model_->layers());
  model_->note_tensors(tap_->watch().weights());
}

int Context::decode(std::span<const Token> tokens, const OutputRange& outputs) {
  Batch batch(tokens.size());
  auto& b = batch.batch;
  b.n_tokens = static_cast<std::int32_t>(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    b.token[i] = tokens[i];
    b.pos[i] = position_ + static_cast<llama_pos>(i);
    b.n_seq_id[i] = 1;
    b.seq_id[i][0] = place_.number();
    b.logits[i] = outputs.contains(i);
  }
  place_->begin(tap_->walk());
  const int status = llama_decode(get(), b);
  llama_synchronize(get());
  return status;
}

void Context::evaluate(std::span<const Token> tokens, const OutputRange& outputs) {
  model_->check_types();
  kept_logits_.clear();
  if (batch_size_ >= kMaxFirstTokens) return evaluate_together(tokens, outputs);
  first_kept_ = outputs.first;
  for (std::size_t begin = 0; begin < tokens.size(); begin += batch_size_) {
    const auto piece = tokens.subspan(begin, std::min(batch_size_, tokens.size() - begin));
    OutputRange of_piece;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      if (outputs.contains(begin + i) && of_piece.count++ == 0) of_piece.first = i;
    }
    evaluate_together(piece, of_piece);
    for (std::size_t i = 0; i < of_piece.count; ++i) {
      const auto values = llama_logits(of_piece.first + i);
      kept_logits_.insert(kept_logits_.end(), values.begin(), values.end());
    }
  }
}

void Context::evaluate_together(std::span<const Token> tokens, const OutputRange& outputs) {
  if (is_tapped_) {
    auto batches = batches_of(tokens, outputs);
    for (const auto& batch : batches) {
      if (!tap_->is_ready_for(shape_of(batch))) prepare(shape_of(batch));
    }
    tap_->begin_evaluation(std::move(batches));
  }
  clear_engine_error();
  tap_->install_weights();
  const int status = decode(tokens, outputs);
  tap_->remove_weights();
  if (is_tapped_) tap_->finish_evaluation(status == 0);
  if (status != 0) {
    throw Error(fmt::format("llama.cpp cannot evaluate {} tokens at position {} (status {}): {}", tokens.size(),
                            position_, status, engine_error()));
  }
  position_ += static_cast<int>(tokens.size());
}

std::vector<TokenBatch> Context::batches_of(std::span<const Token> tokens, const OutputRange& outputs) const {
  std::vector<TokenBatch> batches;
  const std::size_t together = llama_n_ubatch(get());
  for (std::size_t begin = 0; begin < tokens.size(); begin += together) {
    TokenBatch batch;
    for (std::size_t i = begin; i < std::min(tokens.size(), begin + together); ++i) {
      const auto position = static_cast<std::uint64_t>(position_) + i;
      const auto id = std::uint64_t{sequence_} << 32 | position;
      batch.positions.push_back(id);
      batch.tokens.push_back(tokens[i]);
      if (outputs.contains(i)) batch.output_positions.push_back(id);
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

std::span<const float> Context::logits(std::size_t index) const {
  if (kept_logits_.empty()) return llama_logits(index);
  const auto width = static_cast<std::size_t>(model_->vocabulary_size());
  if (index < first_kept_ || (index - first_kept_ + 1) * width > kept_logits_.size()) {
    throw Error(fmt::format("there are no logits for token {}", index));
  }
  return {kept_logits_.data() + (index - first_kept_) * width, width};
}

std::span<const float> Context::llama_logits(std::size_t index) const {
  const auto* values = llama_get_logits_ith(get(), static_cast<std::int32_t>(index));
  if (values == nullptr) throw Error(fmt::format("llama.cpp has no logits for token {}", index));
  return {values, static_cast<std::size_t>(model_->vocabulary_size())};
}

int Context::batch_size() const { return static_cast<int>(batch_size_); }

std::vector<SiteCounters> Context::counters() const { return tap_->counters(); }

}  // namespace fakequant
