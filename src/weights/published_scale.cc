#include "weights/published_scale.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

namespace fakequant {
namespace {

// The types whose values mean nothing without their scale.
bool is_code(const std::string& type) {
  constexpr std::array codes = {"E4M3", "E5M2", "I8", "U8"};
  return std::find(codes.begin(), codes.end(), type) != codes.end();
}

bool is_float(const std::string& type) {
  constexpr std::array floats = {"F64", "F32", "F16", "BF16", "E4M3", "E5M2", "E8M0"};
  return std::find(floats.begin(), floats.end(), type) != floats.end();
}

// The other tensors that the values of a quantized weight NAME depend on: those of ModelOpt's NVFP4, of asymmetric
// compressed-tensors, and of bitsandbytes, which the stem of the name has beside its ".weight".
std::vector<std::string> names_not_applied(const std::string& name) {
  std::vector<std::string> names;
  for (const auto* ending : {"_scale_2", "_global_scale", "_zero_point", "_g_idx", ".absmax"}) {
    names.push_back(name + ending);
  }
  constexpr std::string_view weight = ".weight";
  if (name.ends_with(weight)) names.push_back(name.substr(0, name.size() - weight.size()) + ".SCB");
  return names;
}

// How many of `length` values share each of `scales`; no value if that is not known.
std::optional<std::int64_t> block_of(std::int64_t length, std::int64_t scales) {
  constexpr std::int64_t kUsual = 128;
  if (scales <= 0) return std::nullopt;
  if (scales == 1) return std::max<std::int64_t>(length, 1);
  if (scales == length) return 1;
  if (scales == (length + kUsual - 1) / kUsual) return kUsual;
  if (length % scales == 0) return length / scales;
  return std::nullopt;
}

// As published, the slowest dimension first.
std::string published_shape(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape.rbegin(), shape.rend(), ", "));
}

}  // namespace

PublishedScale find_scale(const SafetensorsModel& published, const SafetensorsTensor& weight) {
  PublishedScale scale;
  if (!is_code(weight.type)) return scale;
  const auto find = [&](const std::string& name) -> const SafetensorsTensor* {
    const auto found = published.tensors().find(name);
    if (found == published.tensors().end()) return nullptr;
    scale.names.push_back(name);
    return &found->second;
  };
  const auto* found = find(weight.name + "_scale_inv");
  if (found == nullptr) found = find(weight.name + "_scale");
  for (const auto& name : names_not_applied(weight.name)) {
    if (find(name) != nullptr && scale.misfit.empty()) {
      scale.misfit = fmt::format("its values depend on {}, which is not applied", name);
    }
  }
  if (found == nullptr || !scale.misfit.empty()) return scale;
  if (weight.type == "U8") {
    scale.misfit = fmt::format("its bytes hold several values, which {} scales", found->name);
    return scale;
  }
  if (!is_float(found->type)) {
    scale.misfit = fmt::format("its scale {} is stored as {}", found->name, found->type);
    return scale;
  }
  const auto misfit = fmt::format("its scale {} of shape {} does not fit its shape {}", found->name,
                                  published_shape(found->shape), published_shape(weight.shape));
  // A scale with fewer dimensions has those that vary slowest: [rows] is [rows, 1].
  const auto missing = static_cast<std::ptrdiff_t>(weight.shape.size()) -
                       static_cast<std::ptrdiff_t>(found->elements == 1 ? 0 : found->shape.size());
  if (missing < 0) {
    scale.misfit = misfit;
    return scale;
  }
  scale.shape.assign(static_cast<std::size_t>(missing), 1);
  if (found->elements != 1) scale.shape.insert(scale.shape.end(), found->shape.begin(), found->shape.end());
  for (std::size_t d = 0; d < weight.shape.size(); ++d) {
    const auto block = block_of(weight.shape[d], scale.shape[d]);
    if (!block) {
      scale.misfit = misfit;
      return scale;
    }
    scale.block.push_back(*block);
  }
  scale.tensor = found;
  return scale;
}

void apply_scale(const SafetensorsModel& published, const SafetensorsTensor& weight, const PublishedScale& scale,
                 std::int64_t first, std::span<float> values) {
  if (scale.tensor == nullptr || values.empty()) return;
  const auto columns = weight.shape.empty() ? 1 : weight.shape[0];
  const auto block = scale.block.empty() ? 1 : scale.block[0];
  std::vector<float> scales(static_cast<std::size_t>(scale.shape.empty() ? 1 : scale.shape[0]));
  std::vector<std::byte> bytes(scales.size() * scale.tensor->element_bytes);
  std::int64_t read_row = -1;  // of the scales
  for (std::size_t i = 0; i < values.size();) {
    const auto at = first + static_cast<std::int64_t>(i);
    std::int64_t scale_row = 0, rest = at / columns, stride = 1;
    for (std::size_t d = 1; d < weight.shape.size(); ++d) {
      scale_row += rest % weight.shape[d] / scale.block[d] * stride;
      rest /= weight.shape[d];
      stride *= scale.shape[d];
    }
    if (scale_row != read_row) {
      published.read(*scale.tensor, scale_row * static_cast<std::int64_t>(scales.size()), bytes);
      decode_safetensors(scale.tensor->type, bytes, scales);
      read_row = scale_row;
    }
    for (auto column = at % columns; column < columns && i < values.size(); ++column, ++i) {
      values[i] *= scales[static_cast<std::size_t>(column / block)];
    }
  }
}

}  // namespace fakequant
