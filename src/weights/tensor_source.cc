#include "weights/tensor_source.h"

#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"

namespace fakequant {

std::vector<TensorSource> gguf_tensors(const GgufModel& model) {
  std::vector<TensorSource> sources;
  for (std::size_t t = 0; t < model.tensors().size(); ++t) {
    const auto& tensor = model.tensors()[t];
    const auto read = [&model, t](std::int64_t first, std::span<float> values) {
      auto bytes = read_piece(model, {t, first, static_cast<std::int64_t>(values.size())});
      decode_values(model.tensors()[t].type, bytes, values);
      return bytes;
    };
    sources.push_back({tensor.name, tensor.name, type_name(tensor.type), tensor.shape, tensor.elements, "", "", read});
  }
  return sources;
}

}  // namespace fakequant
