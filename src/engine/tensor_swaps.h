// Tensors of the loaded model that for a while have another type and lie elsewhere.
//
// ggml_tensor is a public struct, and graphs refer to the model's own tensors: what is built and computed between
// install() and remove() reads the other data.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

struct ggml_backend_buffer;
struct ggml_tensor;

namespace fakequant {

class TensorSwaps {
 public:
  TensorSwaps() = default;
  ~TensorSwaps() { remove(); }
  TensorSwaps(const TensorSwaps&) = delete;
  TensorSwaps& operator=(const TensorSwaps&) = delete;

  // Not between the two below. The tensor must outlive this; of `changed` are taken type, strides, data and buffer.
  void add(ggml_tensor& tensor, const ggml_tensor& changed);

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

  std::vector<Swap> swaps_;
  bool is_installed_ = false;
};

// Lets a tensor that does not lie anywhere begin where the buffer does. Throws an Error where the buffer takes no such
// tensor.
void put_into(ggml_backend_buffer* buffer, ggml_tensor& tensor);

// A copy of the tensor in another type of ggml, its values in their order, that does not lie anywhere yet.
ggml_tensor as_type(const ggml_tensor& tensor, int type);

}  // namespace fakequant
