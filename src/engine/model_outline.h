// A model without its weights: what a context of it would take in memory, and what sizes its graph has.
//
// llama.cpp lays out a context of such a model as it does any other, allocates nothing, and logs the sizes. So they
// are its own, for every architecture, and cost a tenth of a second.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/context.h"

struct llama_model;

namespace fakequant {

// Bytes of a context, all sequences together.
struct ContextMemory {
  std::uint64_t cache = 0;             // keys, values and the states of recurrent layers
  std::uint64_t keys = 0, values = 0;  // of these, attention's
  std::uint64_t compute = 0;           // buffers for the values of the graph
  std::uint64_t outputs = 0;  // for the logits of a token of each sequence; llama.cpp makes room for others when they
                              // are asked for

  bool operator==(const ContextMemory&) const = default;
};

// From what llama.cpp logs as it makes a context. Unset where it does not say all of it.
std::optional<ContextMemory> memory_in_log(std::string_view log);

class ModelOutline {
 public:
  // Of a file, or the parts of a split model. Without a model where llama.cpp cannot load it: whoever loads it with its
  // weights is told why.
  explicit ModelOutline(const std::vector<std::string>& parts);

  // Of a context with so many sequences. Unset where llama.cpp cannot make one, and where it does not say.
  // Not for several threads at once.
  std::optional<ContextMemory> memory_of(const ContextOptions& options, int places = 1) const;

  // The heads of attention's queries in the first layer; 0 where there is no model.
  int heads() const;

 private:
  struct Free {
    void operator()(llama_model* model) const;
  };
  std::unique_ptr<llama_model, Free> model_;
};

}  // namespace fakequant
