// What an evaluation will take, told before it begins: memory, from how llama.cpp lays its contexts out
// (engine/model_outline.h), and time, from how long a few tokens take.
#pragma once

#include <optional>
#include <vector>

#include "measure/chunk_scoring.h"
#include "measure/eval_result.h"
#include "measure/text.h"
#include "measure/variant.h"

namespace fakequant {

// From this context size on an evaluation is worth a forecast of its time.
inline constexpr int kLongContext = 2048;

// Tokens that go through the graph together, and the cells of the cache that they read at most.
struct BatchOfCells {
  int tokens = 0, cells = 0;
  bool operator==(const BatchOfCells&) const = default;
};

// Of all batches of a chunk those that no other exceeds in both; the largest number of tokens first.
std::vector<BatchOfCells> largest_batches(const ChunkPlan& plan);

// `copies`: contexts of each variant. Unset where devices hold layers of the model, whose memory is not this
// process's, and where llama.cpp does not say. Throws as Model::check_types does.
std::optional<EvalMemory> foretell_memory(LoadedModels& models, const std::vector<Variant>& variants,
                                          const ChunkPlan& plan, int copies);

// The same with the time, where the context is a long one. `max_chunks`: of each text; 0: all. Texts after the first
// are taken to be as long. Throws as TextChunks and foretell_memory() do.
EvalForecast foretell(LoadedModels& models, const std::vector<Variant>& variants, const std::vector<Text>& texts,
                      const ChunkPlan& plan, int copies, int max_chunks);

}  // namespace fakequant
