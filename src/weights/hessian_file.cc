#include "weights/hessian_file.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

#include "error.h"
#include "gguf/gguf_writer.h"
#include "gguf/input_names.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

constexpr auto kHessianType = "hessian";

std::int64_t triangle_size(std::int64_t columns) { return columns * (columns + 1) / 2; }

std::int64_t matrices_of(const TensorInfo& weight) {
  std::int64_t matrices = 1;
  for (std::size_t d = 2; d < weight.shape.size(); ++d) matrices *= weight.shape[d];
  return matrices;
}

}  // namespace

std::string hessian_bytes(const HessianSums& sums) {
  InputFileKeys keys{kHessianType, sums.text, sums.chunks, sums.chunk_size, sums.text_sample, {}};
  for (const auto& input : sums.inputs) keys.weights.push_back(input.weights);
  GgufWriter file;
  add_input_keys(file, keys);
  if (!sums.rules.empty()) file.add_text("hessian.recipe", sums.rules);
  for (const auto& input : sums.inputs) {
    const auto& name = input.weights.front();
    std::vector<float> counts, triangles;
    for (const auto& matrix : input.matrices) {
      const auto triangle = matrix.mean();
      for (const float value : triangle) {
        if (!std::isfinite(value)) throw Error(fmt::format("the inputs of {} are not finite on this text", name));
      }
      triangles.insert(triangles.end(), triangle.begin(), triangle.end());
      counts.push_back(static_cast<float>(matrix.rows()));
    }
    const auto matrices = static_cast<std::int64_t>(counts.size());
    file.add_tensor(name + ".hessian", {triangle_size(input.matrices.front().columns()), matrices}, triangles);
    file.add_tensor(name + ".counts", {1, matrices}, counts);
  }
  return file.bytes();
}

HessianFile::HessianFile(const std::string& path) : file_(open_input_file(path, kHessianType, "Hessians")) {
  for (const auto& [weight, input] : read_input_names(file_, kHessianType)) {
    const auto* triangles = file_.find_tensor(input + ".hessian");
    if (triangles == nullptr || !is_float32(triangles->type) || triangles->shape.size() > 2) {
      throw Error(fmt::format("{} is damaged: it has no Hessian {} for {}: make it again", path, input, weight));
    }
    inputs_[weight] = input;
  }
}

const std::string* HessianFile::input_of(const TensorInfo& weight) const {
  const auto found = inputs_.find(weight.name);
  if (found == inputs_.end()) return nullptr;
  const auto& triangles = *file_.find_tensor(found->second + ".hessian");
  if (row_elements(triangles) != triangle_size(row_elements(weight)) ||
      triangles.elements != row_elements(triangles) * matrices_of(weight)) {
    throw Error(
        fmt::format("{} has a Hessian of another size for {}: it was made for another model", path(), weight.name));
  }
  return &found->second;
}

std::vector<float> HessianFile::triangle(const std::string& input, std::int64_t matrix) const {
  const auto& tensor = *file_.find_tensor(input + ".hessian");
  std::vector<float> values(static_cast<std::size_t>(row_elements(tensor)));
  const auto bytes = std::as_writable_bytes(std::span(values));
  file_.read(tensor.begin + static_cast<std::uint64_t>(matrix) * bytes.size(), bytes);
  std::size_t row_length = 1, end = 1;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool is_diagonal = i + 1 == end;
    if (!std::isfinite(values[i]) || (is_diagonal && values[i] < 0)) {
      throw Error(
          fmt::format("{} is damaged: the Hessian of {} has the value {}: make it again", path(), input, values[i]));
    }
    if (is_diagonal) end += ++row_length;
  }
  return values;
}

}  // namespace fakequant
