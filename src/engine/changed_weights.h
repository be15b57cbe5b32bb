// Weights that a context computes with instead of those that its model was loaded with.
//
// The model stays loaded once, whatever is rounded in it. A changed weight is either
//
// - resident: its bytes lie in memory of the kind that llama.cpp would load it into, and while the context evaluates,
//   the tensor of the loaded model has their address and type (ggml_tensor is a public struct, and graphs refer to the
//   model's own tensors); or
// - streamed: nothing is kept, it is rounded whenever it is read. In f32 arithmetic products and look-ups of embeddings
//   read its rows from the model's own tensor and change them (reference_arithmetic.h). In native arithmetic it is
//   written, as it is stored, into memory that all streamed weights share (refilled_weights.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/model_tensors.h"
#include "engine/tensor_swaps.h"

struct ggml_backend_buffer;
struct ggml_tensor;

namespace fakequant {

// Memory that a tensor's data can lie in.
class TensorBytes {
 public:
  explicit TensorBytes(std::size_t size);
  std::span<std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte[], Free> data_;
  std::size_t size_;
};

struct ChangedWeight {
  std::string name;
  int type = 0;                              // ggml's, in which it is stored
  std::uint64_t size = 0;                    // bytes of it, stored so
  std::shared_ptr<const TensorBytes> bytes;  // null: streamed
  // Of a streamed weight; both take whole rows from the value `first` on, and may be called by several threads at once.
  // change() replaces values, as they are in the model, by those that it is changed to; fill() writes these as they are
  // stored.
  std::function<void(std::int64_t first, std::span<float> values)> change = {};
  std::function<void(std::int64_t first, std::span<std::byte> bytes)> fill = {};
};

using ChangedWeights = std::vector<ChangedWeight>;

// The resident weights of a context.
class ResidentWeights {
 public:
  ResidentWeights() = default;
  ~ResidentWeights();
  ResidentWeights(const ResidentWeights&) = delete;
  ResidentWeights& operator=(const ResidentWeights&) = delete;

  // Tensors that the model does not have are left out: no graph reads them.
  void add(const ChangedWeight& weight, const ModelTensors& tensors);

  // Between the two the model's tensors are the changed ones. Contexts do this in turn, never two at once.
  void install() { swaps_.install(); }
  void remove() { swaps_.remove(); }

 private:
  ggml_backend_buffer* keep(ggml_backend_buffer* buffer, const std::string& weight);

  std::vector<ggml_backend_buffer*> buffers_;
  std::vector<std::shared_ptr<const TensorBytes>> bytes_;  // that buffers refer to
  TensorSwaps swaps_;
};

}  // namespace fakequant
