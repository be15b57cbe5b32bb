#include "measure/weights_in_place.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "error.h"
#include "format/format_properties.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"

namespace fakequant {
namespace {

// The format that a tensor is rounded to; null where it is only stored otherwise.
const Format* format_of(const WeightRounding& rounding, std::size_t tensor) {
  const auto rounder = rounding.rounders().find(tensor);
  return rounder == rounding.rounders().end() ? nullptr : &rounder->second.format();
}

// The weight of an earlier variant that is the tensor in the same format and type; null where there is none.
const ChangedWeight* rounded_alike(const WeightsInPlace& earlier, const WeightRounding& rounding, std::size_t tensor,
                                   const std::string& name) {
  if (!earlier.rounding) return nullptr;
  const auto &types = rounding.storage_types(), &earlier_types = earlier.rounding->storage_types();
  const auto type = earlier_types.find(tensor);
  if (type == earlier_types.end() || type->second != types.at(tensor)) return nullptr;
  const auto *format = format_of(rounding, tensor), *before = format_of(*earlier.rounding, tensor);
  const bool is_alike = format && before ? *format == *before : format == before;
  if (!is_alike) return nullptr;
  const auto found = std::find_if(earlier.weights->begin(), earlier.weights->end(),
                                  [&](const ChangedWeight& weight) { return weight.name == name; });
  return found == earlier.weights->end() ? nullptr : &*found;
}

struct Streamed {
  std::set<std::size_t> tensors;  // that are not kept
  std::int64_t kept = 0;          // bytes of those that could be streamed and are kept
};

Streamed find_streamed(const GgufModel& model, const WeightRounding& rounding, const WeightMemory& memory) {
  std::vector<std::pair<std::int64_t, std::size_t>> sizes;  // of those that can be streamed
  for (const auto& [tensor, type] : rounding.storage_types()) {
    const auto& info = model.tensors()[tensor];
    const auto* format = format_of(rounding, tensor);
    if (info.elements < memory.min_streamed || format == nullptr || !rounds_fast(*format)) continue;
    sizes.emplace_back(static_cast<std::int64_t>(stored_bytes(type, info.elements)), tensor);
  }
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
  Streamed streamed;
  for (const auto& [bytes, tensor] : sizes) {
    if (bytes <= memory.bytes - streamed.kept) {
      streamed.kept += bytes;
    } else {
      streamed.tensors.insert(tensor);
    }
  }
  return streamed;
}

}  // namespace

std::shared_ptr<WeightRounding> rounding_in_place(const GgufModel& model, const Recipe& rules,
                                                  const ApplySettings& storage) {
  auto rounding = std::make_shared<WeightRounding>(model, rules, storage);
  const auto& types = rounding->storage_types();
  const bool is_quantized_again =
      std::any_of(types.begin(), types.end(), [](const auto& stored) { return is_quantized(stored.second); });
  return is_quantized_again ? nullptr : rounding;
}

WeightsInPlace round_in_place(const GgufModel& model, const std::shared_ptr<WeightRounding>& rounding,
                              const InPlaceOptions& options, ApplyResult& result) {
  ChangedWeights weights;
  std::map<std::size_t, std::size_t> index;  // among the changed weights, by tensor
  TensorPieces pieces;
  const auto streamed = find_streamed(model, *rounding, options.memory);
  for (const auto& [tensor, type] : rounding->storage_types()) {
    const auto& info = model.tensors()[tensor];
    result.tensors.push_back(rounding->description(tensor));
    if (const auto* alike = rounded_alike(options.earlier, *rounding, tensor, info.name)) {
      weights.push_back(*alike);
      continue;
    }
    if (options.is_cancelled && options.is_cancelled()) throw Error("rounding the weights was cancelled");
    rounding->find_scale(tensor, options.threads);
    index[tensor] = weights.size();
    pieces.add(tensor, info, rounding->cut(tensor));
    auto& weight = weights.emplace_back();
    weight.name = info.name;
    weight.type = type;
    weight.size = stored_bytes(type, info.elements);
    if (!streamed.tensors.contains(tensor)) {
      weight.bytes = std::make_shared<TensorBytes>(weight.size);
      continue;
    }
    weight.change = [rounding, t = tensor](std::int64_t first, std::span<float> values) {
      rounding->change({t, first, static_cast<std::int64_t>(values.size())}, values);
    };
    // Floats: a type of blocks is not changed in place.
    weight.fill = [rounding, t = tensor, size = stored_bytes(type, 1)](std::int64_t first, std::span<std::byte> bytes) {
      rounding->store({t, first, static_cast<std::int64_t>(bytes.size() / size)}, bytes);
    };
  }
  const auto round_piece = [&](std::int64_t i) {
    if (options.is_cancelled && options.is_cancelled()) throw Error("rounding the weights was cancelled");
    const auto piece = pieces[i];
    const auto& weight = weights[index.at(piece.tensor)];
    auto rounded = rounding->round(piece);
    if (weight.bytes) {
      const auto at = static_cast<std::ptrdiff_t>(stored_bytes(weight.type, piece.first_element));
      std::copy(rounded.bytes.begin(), rounded.bytes.end(), weight.bytes->bytes().begin() + at);
    }
    return rounded.errors;
  };
  const auto fold = [&](std::int64_t i, const TensorRounding& errors) {
    add_piece(result.tensors[index.at(pieces[i].tensor)], errors);
  };
  parallel_fold(pieces.size(), options.threads, round_piece, fold, options.progress);
  return {rounding, std::make_shared<const ChangedWeights>(std::move(weights)), streamed.kept};
}

}  // namespace fakequant
