#include "engine/shared_context.h"

#include <llama.h>

#include <algorithm>

#include "error.h"

namespace fakequant {

void SharedContext::Free::operator()(llama_context* context) const { llama_free(context); }

int SharedContext::max_places() { return static_cast<int>(llama_max_parallel_sequences()); }

int SharedContext::join() {
  const auto free = std::find(is_taken_.begin(), is_taken_.end(), false);
  if (free == is_taken_.end()) throw Error("more contexts share one of llama.cpp's than it was made for");
  *free = true;
  return static_cast<int>(free - is_taken_.begin());
}

void SharedContext::leave(int place) {
  if (context_) forget(place);
  is_taken_[static_cast<std::size_t>(place)] = false;
}

bool SharedContext::callback(ggml_tensor* node, bool ask, void* shared) {
  return GraphWalk::callback(node, ask, static_cast<SharedContext*>(shared)->walk_);
}

void SharedContext::forget(int place) {
  auto* memory = llama_get_memory(context_.get());
  // What is alone also forgets the values, which no token may read.
  if (places() == 1) {
    llama_memory_clear(memory, true);
  } else {
    llama_memory_seq_rm(memory, place, -1, -1);
  }
}

}  // namespace fakequant
