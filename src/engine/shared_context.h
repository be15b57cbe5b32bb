// One context of llama.cpp that several of ours compute in.
//
// A context of llama.cpp holds buffers for what it computes and for logits, which are much larger than the cache of one
// text. Those who compute in it by turns share them, and each has a sequence of its own, with a cache of its own. They
// see the same graphs, which are watched once.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/graph_walk.h"
#include "engine/graph_watch.h"

struct llama_context;

namespace fakequant {

class SharedContext {
 public:
  // For so many at most. The first that joins opens it, by its own options: the others' must be the same.
  explicit SharedContext(int places = 1) : is_taken_(static_cast<std::size_t>(places)) {}
  SharedContext(const SharedContext&) = delete;  // llama.cpp holds its address
  SharedContext& operator=(const SharedContext&) = delete;

  // As many as llama.cpp allows.
  static int max_places();

  int places() const { return static_cast<int>(is_taken_.size()); }

  // The number of a free place, which is also that of its sequence. Throws an Error where there is none.
  int join();
  // Frees it, and forgets its tokens.
  void leave(int place);

  llama_context* get() const { return context_.get(); }
  void open(llama_context* context) { context_.reset(context); }
  void close() { context_.reset(); }

  // For llama_context_params, cb_eval and cb_eval_user_data (this): calls the walk of whoever computes.
  static bool callback(ggml_tensor* node, bool ask, void* shared);
  void begin(GraphWalk* walk) { walk_ = walk; }

  const std::shared_ptr<GraphWatch>& watch() const { return watch_; }

  // Forgets the tokens of a sequence.
  void forget(int place);

 private:
  struct Free {
    void operator()(llama_context* context) const;
  };
  std::vector<bool> is_taken_;  // by place
  GraphWalk* walk_ = nullptr;
  std::shared_ptr<GraphWatch> watch_ = std::make_shared<GraphWatch>();
  std::unique_ptr<llama_context, Free> context_;
};

// A place in a shared context, for as long as this lives.
class SharedPlace {
 public:
  explicit SharedPlace(std::shared_ptr<SharedContext> shared) : shared_(std::move(shared)), number_(shared_->join()) {}
  ~SharedPlace() { shared_->leave(number_); }
  SharedPlace(const SharedPlace&) = delete;
  SharedPlace& operator=(const SharedPlace&) = delete;

  SharedContext* operator->() const { return shared_.get(); }
  SharedContext& operator*() const { return *shared_; }
  int number() const { return number_; }

 private:
  std::shared_ptr<SharedContext> shared_;
  int number_;
};

}  // namespace fakequant
