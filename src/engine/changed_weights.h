// Weights that a context computes with instead of those that its model was loaded with.
//
// The model stays loaded once, whatever is rounded in it. A changed weight is either
//
// - resident: its bytes lie in memory of the kind that llama.cpp would load it into, and while the context evaluates,
//   the tensor of the loaded model has their address and type (ggml_tensor is a public struct, and graphs refer to the
//   model's own tensors); or
// - streamed: nothing is kept. Whenever rows of it are read, for a product in f32 arithmetic or to look embeddings up,
//   they are widened from the model's own tensor and rounded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/model_tensors.h"

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
  std::shared_ptr<const TensorBytes> bytes;  // null: streamed
  // Of a streamed weight: replaces its values from `first` on, as they are in the model, by those that it is changed
  // to. Whole rows at a time, from several threads at once.
  std::function<void(std::int64_t first, std::span<float> values)> change = {};
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
  void install();
  void remove();

 private:
  struct Place {  // where a tensor's data is, and how it is laid out
    int type;
    std::array<std::size_t, 4> strides;
    void* data;
    ggml_backend_buffer* buffer;
    void* extra;  // what a packed layout or a device keeps beside it
  };
  struct Swap {
    ggml_tensor* tensor;
    Place changed, own;
  };
  static Place place_of(const ggml_tensor& tensor);
  static void put(ggml_tensor& tensor, const Place& place);
  ggml_backend_buffer* keep(ggml_backend_buffer* buffer, const std::string& weight);

  std::vector<ggml_backend_buffer*> buffers_;
  std::vector<std::shared_ptr<const TensorBytes>> bytes_;  // that buffers refer to
  std::vector<Swap> swaps_;
  bool is_installed_ = false;
};

}  // namespace fakequant
