#include "weights/importance_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "error.h"
#include "foreign_file.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

// Of an F32 tensor.
std::vector<float> read_values(const GgufFile& file, const TensorInfo& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.elements));
  file.read(tensor.begin, std::as_writable_bytes(std::span(values)));
  return values;
}

// True for the format from before GGUF (llama.cpp's imatrix.cpp, save_imatrix_legacy): the number of entries, then of
// each the length of its name, and the name.
bool is_old_imatrix(std::string_view beginning) {
  std::array<std::int32_t, 2> numbers{};
  if (beginning.size() <= sizeof(numbers)) return false;
  std::memcpy(numbers.data(), beginning.data(), sizeof(numbers));
  const auto [entries, length] = numbers;
  if (entries < 1 || entries > 1'000'000 || length < 1 || length > 255) return false;
  const auto name = beginning.substr(sizeof(numbers), static_cast<std::size_t>(length));
  return name.size() == static_cast<std::size_t>(length) &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

ImportanceMatrix::ImportanceMatrix(const std::string& path) : path_(path) {
  constexpr std::string_view kSums = ".in_sum2";
  if (is_old_imatrix(beginning_of(path))) {
    constexpr auto command = "llama-imatrix -m MODEL --in-file";
    throw Error(
        fmt::format("{} is an importance matrix in llama-imatrix's old format: convert it with `{} {} -o NEW.gguf`",
                    path, command, path));
  }
  const GgufFile file(path);
  texts_ = file.find_strings("imatrix.datasets");
  if (const auto chunks = file.find_integer("imatrix.chunk_count")) chunks_ = static_cast<std::uint32_t>(*chunks);
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
