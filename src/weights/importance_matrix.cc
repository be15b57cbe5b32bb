#include "weights/importance_matrix.h"

#include <fmt/format.h>

#include <cmath>

#include "error.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

// Of an F32 tensor.
std::vector<float> read_values(const GgufFile& file, const TensorInfo& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.elements));
  file.read(tensor.begin, std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace

ImportanceMatrix::ImportanceMatrix(const std::string& path) : path_(path) {
  constexpr std::string_view kSums = ".in_sum2";
  const GgufFile file(path);
  for (const auto& tensor : file.tensors()) {
    if (!tensor.name.ends_with(kSums)) continue;
    const auto name = tensor.name.substr(0, tensor.name.size() - kSums.size());
    const auto* counts_tensor = file.find_tensor(name + ".counts");
    if (counts_tensor == nullptr || !is_float32(tensor.type) || !is_float32(counts_tensor->type) ||
        counts_tensor->elements == 0 || tensor.elements % counts_tensor->elements != 0) {
      throw Error(fmt::format("{}: {} is not as llama-imatrix writes it: make the file again", path, tensor.name));
    }
    auto values = read_values(file, tensor);
    const auto counts = read_values(file, *counts_tensor);
    const std::size_t columns = values.size() / counts.size();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float count = counts[i / columns];
      values[i] = count > 0 ? values[i] / count : 1;
      if (!std::isfinite(values[i]) || values[i] < 0) {
        throw Error(fmt::format("{}: {} has the invalid value {} for column {}: make the file again", path, tensor.name,
                                values[i], i % columns));
      }
    }
    columns_[name] = std::move(values);
  }
  if (columns_.empty()) {
    throw Error(fmt::format("{} is not an importance matrix: it has no tensor named WEIGHT{}; llama-imatrix writes one",
                            path, kSums));
  }
}

std::span<const float> ImportanceMatrix::of(const TensorInfo& tensor) const {
  const auto found = columns_.find(tensor.name);
  if (found == columns_.end()) return {};
  const auto matrices = tensor.shape.size() > 2 ? tensor.shape[2] : 1;
  const auto expected = row_elements(tensor) * matrices;
  if (static_cast<std::int64_t>(found->second.size()) != expected) {
    throw Error(fmt::format("{} has {} columns for {}, but the model has {}: it was made for another model", path_,
                            found->second.size(), tensor.name, expected));
  }
  return found->second;
}

}  // namespace fakequant
