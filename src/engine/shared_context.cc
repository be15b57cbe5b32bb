#include "engine/shared_context.h"

#include <llama.h>

#include "error.h"

namespace fakequant {

void SharedContext::Free::operator()(llama_context* context) const { llama_free(context); }

int SharedContext::max_places() { return static_cast<int>(llama_max_parallel_sequences()); }

int SharedContext::join() {
  if (joined_ == places_) throw Error("more contexts share one of llama.cpp's than it was made for");
  return joined_++;
}

bool SharedContext::callback(ggml_tensor* node, bool ask, void* shared) {
  return GraphWalk::callback(node, ask, static_cast<SharedContext*>(shared)->walk_);
}

void SharedContext::forget(int place) {
  auto* memory = llama_get_memory(context_.get());
  // What is alone also forgets the values, which no token may read.
  if (places_ == 1) {
    llama_memory_clear(memory, true);
  } else {
    llama_memory_seq_rm(memory, place, -1, -1);
  }
}

}  // namespace fakequant
