#include "weights/converted_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>

#include "weights/published_scale.h"

namespace fakequant {
namespace {

// A name in GGUF and the published name. N stands for the layer, E for the expert.
struct NamePair {
  const char* gguf;
  const char* published;
};

constexpr std::array kNames = {
    NamePair{"token_embd", "model.embed_tokens"},
    NamePair{"output_norm", "model.norm"},
    NamePair{"output", "lm_head"},
    NamePair{"blk.N.attn_norm", "model.layers.N.input_layernorm"},
    NamePair{"blk.N.attn_q", "model.layers.N.self_attn.q_proj"},
    NamePair{"blk.N.attn_k", "model.layers.N.self_attn.k_proj"},
    NamePair{"blk.N.attn_v", "model.layers.N.self_attn.v_proj"},
    NamePair{"blk.N.attn_output", "model.layers.N.self_attn.o_proj"},
    NamePair{"blk.N.attn_q_norm", "model.layers.N.self_attn.q_norm"},
    NamePair{"blk.N.attn_k_norm", "model.layers.N.self_attn.k_norm"},
    // In layers with four norms, as in gemma 2, the norm after the attention is not the norm before the feed-forward.
    NamePair{"blk.N.ffn_norm", "model.layers.N.pre_feedforward_layernorm"},
    NamePair{"blk.N.post_attention_norm", "model.layers.N.post_attention_layernorm"},
    NamePair{"blk.N.post_ffw_norm", "model.layers.N.post_feedforward_layernorm"},
    NamePair{"blk.N.ffn_norm", "model.layers.N.post_attention_layernorm"},
    NamePair{"blk.N.ffn_gate", "model.layers.N.mlp.gate_proj"},
    NamePair{"blk.N.ffn_up", "model.layers.N.mlp.up_proj"},
    NamePair{"blk.N.ffn_down", "model.layers.N.mlp.down_proj"},
    NamePair{"blk.N.ffn_gate_inp", "model.layers.N.block_sparse_moe.gate"},
    NamePair{"blk.N.ffn_gate_exps", "model.layers.N.block_sparse_moe.experts.E.w1"},
    NamePair{"blk.N.ffn_down_exps", "model.layers.N.block_sparse_moe.experts.E.w2"},
    NamePair{"blk.N.ffn_up_exps", "model.layers.N.block_sparse_moe.experts.E.w3"},
    NamePair{"blk.N.ffn_gate_inp", "model.layers.N.mlp.gate"},
    NamePair{"blk.N.ffn_gate_exps", "model.layers.N.mlp.experts.E.gate_proj"},
    NamePair{"blk.N.ffn_down_exps", "model.layers.N.mlp.experts.E.down_proj"},
    NamePair{"blk.N.ffn_up_exps", "model.layers.N.mlp.experts.E.up_proj"},
};

std::string with_number(const std::string& pattern, const std::string& letter, std::int64_t number) {
  auto name = pattern;
  const auto at = name.find("." + letter + ".");
  if (at != std::string::npos) name.replace(at + 1, 1, fmt::format("{}", number));
  return name;
}

// The published tensors that a GGUF tensor was made from: one, or one for each expert; none if no name fits.
std::vector<const SafetensorsTensor*> origins(const SafetensorsModel& published, const TensorInfo& tensor) {
  const auto find = [&](const std::string& name) -> const SafetensorsTensor* {
    const auto found = published.tensors().find(name);
    return found == published.tensors().end() ? nullptr : &found->second;
  };
  const auto ending_at = tensor.name.rfind('.');
  const auto ending = ending_at == std::string::npos ? "" : tensor.name.substr(ending_at);  // ".weight", ".bias"
  const auto layer = layer_of_tensor(tensor.name).value_or(0);
  for (const auto& pair : kNames) {
    if (with_number(pair.gguf, "N", layer) + ending != tensor.name) continue;
    const auto name = with_number(pair.published, "N", layer) + ending;
    std::vector<const SafetensorsTensor*> found;
    const bool has_experts = name.find(".E.") != std::string::npos;
    const auto count = has_experts && tensor.shape.size() == 3 ? tensor.shape[2] : 1;
    for (std::int64_t expert = 0; expert < count; ++expert) {
      const auto* origin = find(with_number(name, "E", expert));
      if (origin == nullptr) break;
      found.push_back(origin);
    }
    const bool are_alike = std::all_of(found.begin(), found.end(), [&](const auto* origin) {
      return origin->type == found.front()->type && origin->shape == found.front()->shape;
    });
    if (static_cast<std::int64_t>(found.size()) == count && are_alike) return found;
  }
  if (const auto* same = find(tensor.name)) return {same};
  return {};
}

// The number of heads by which the rows of a tensor may be interleaved: 0 for a tensor that is no projection of queries
// or keys, none if the model has no head count or one that does not divide the rows.
std::optional<std::int64_t> heads_of(const GgufModel& model, const TensorInfo& tensor) {
  const auto begins = [&](const char* word) {
    const auto layer = layer_of_tensor(tensor.name);
    return layer && tensor.name.find(fmt::format("blk.{}.{}.", *layer, word)) != std::string::npos;
  };
  if (!begins("attn_q") && !begins("attn_k")) return 0;
  const auto& file = model.first();
  const auto prefix = file.find_string("general.architecture").value_or("") + ".attention.head_count";
  const auto of_queries = file.find_integer(prefix);
  const auto of_keys = file.find_key(prefix + "_kv") == nullptr ? of_queries : file.find_integer(prefix + "_kv");
  const auto heads = begins("attn_q") ? of_queries : of_keys;
  const auto rows = tensor.shape.empty() ? 0 : tensor.shape.back();
  if (!heads || *heads <= 0 || rows == 0 || rows % (2 * *heads) != 0) return std::nullopt;
  return heads;
}

// Reads a tensor as the converter makes it from published ones.
class Converter {
 public:
  // `scales` has one for each origin.
  Converter(const SafetensorsModel& published, std::vector<const SafetensorsTensor*> origins,
            std::vector<PublishedScale> scales, std::int64_t heads)
      : published_(&published), origins_(std::move(origins)), scales_(std::move(scales)) {
    const auto& shape = origins_.front()->shape;
    if (heads == 0 || shape.empty()) return;
    row_ = shape.size() == 1 ? 1 : shape.front();
    head_rows_ = shape.back() / heads;
  }

  Buffer<std::byte> operator()(std::int64_t first, std::span<float> values) const {
    const auto& origin = *origins_.front();
    Buffer<std::byte> bytes(values.size() * origin.element_bytes);
    const auto end = first + static_cast<std::int64_t>(values.size());
    // Runs are contiguous in the published file: a row where rows are reordered, else a whole expert.
    const auto run = row_ > 0 ? row_ : origin.elements;
    for (auto at = first; at < end;) {
      const auto next = std::min(end, (at / run + 1) * run);
      const auto index = row_ > 0 ? std::size_t{0} : static_cast<std::size_t>(at / run);
      const auto position = row_ > 0 ? published_row(at / run) * run + at % run : at % run;
      const auto target = std::span(bytes).subspan(static_cast<std::size_t>(at - first) * origin.element_bytes,
                                                   static_cast<std::size_t>(next - at) * origin.element_bytes);
      published_->read(*origins_[index], position, target);
      const auto decoded = values.subspan(static_cast<std::size_t>(at - first), static_cast<std::size_t>(next - at));
      decode_safetensors(origin.type, target, decoded);
      apply_scale(*published_, *origins_[index], scales_[index], position, decoded);
      at = next;
    }
    return bytes;
  }

 private:
  std::int64_t published_row(std::int64_t row) const {
    const auto in_head = row % head_rows_;
    return row - in_head + in_head % 2 * (head_rows_ / 2) + in_head / 2;
  }

  const SafetensorsModel* published_;
  std::vector<const SafetensorsTensor*> origins_;
  std::vector<PublishedScale> scales_;
  std::int64_t row_ = 0, head_rows_ = 0;  // 0: the rows are in the published order
};

TensorSource source_of(const std::string& name, const SafetensorsModel& published,
                       const std::vector<const SafetensorsTensor*>& origins, const std::vector<PublishedScale>& scales,
                       std::int64_t heads) {
  const auto& origin = *origins.front();
  const auto count = static_cast<std::int64_t>(origins.size());
  auto shape = origin.shape;
  auto stored_name = origin.name;
  if (count > 1) {
    shape.push_back(count);
    stored_name += fmt::format(" and {} more", count - 1);
  }
  std::string scale, misfit;
  for (const auto& one : scales) {
    if (scale.empty() && one.tensor != nullptr) scale = one.tensor->name;
    if (misfit.empty()) misfit = one.misfit;
  }
  return {name,
          stored_name,
          origin.type,
          shape,
          origin.elements * count,
          scale,
          misfit,
          Converter(published, origins, scales, heads)};
}

// The squared distance between the first values of two tensors.
double distance(const TensorSource& a, const TensorSource& b) {
  constexpr std::int64_t kMaxValues = std::int64_t{1} << 16;
  Buffer<float> values_a(static_cast<std::size_t>(std::min(a.elements, kMaxValues))), values_b(values_a.size());
  a.read(0, values_a);
  b.read(0, values_b);
  double sum = 0;
  for (std::size_t i = 0; i < values_a.size(); ++i) {
    const auto d = static_cast<double>(values_a[i]) - static_cast<double>(values_b[i]);
    if (std::isfinite(d)) sum += d * d;
  }
  return sum;
}

}  // namespace

std::vector<TensorSource> converted_tensors(const SafetensorsModel& published, const GgufModel& model) {
  std::vector<TensorSource> sources;
  std::set<std::string> used;
  const bool is_llama = model.first().find_string("general.architecture") == "llama";
  const auto own = gguf_tensors(model);
  for (std::size_t t = 0; t < own.size(); ++t) {
    const auto& tensor = model.tensors()[t];
    const auto found = origins(published, tensor);
    const auto heads = heads_of(model, tensor);
    if (found.empty() || !heads) continue;
    std::vector<PublishedScale> scales;
    for (const auto* origin : found) {
      scales.push_back(find_scale(published, *origin));
      used.insert(origin->name);
      used.insert(scales.back().names.begin(), scales.back().names.end());
    }
    auto source = source_of(tensor.name, published, found, scales, *heads);
    // Converters of other architectures may or may not reorder: take the order in which the values are nearer.
    if (*heads > 0 && !is_llama && source.shape == tensor.shape) {
      auto plain = source_of(tensor.name, published, found, scales, 0);
      if (distance(own[t], plain) <= distance(own[t], source)) source = std::move(plain);
    }
    sources.push_back(std::move(source));
  }
  for (const auto& [name, tensor] : published.tensors()) {
    if (!used.contains(name)) sources.push_back(source_of(name, published, {&tensor}, {PublishedScale{}}, 0));
  }
  return sources;
}

}  // namespace fakequant
