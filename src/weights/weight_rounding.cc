#include "weights/weight_rounding.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_properties.h"
#include "gguf/tensor_type.h"
#include "recipe/site_match.h"
#include "weights/kept_float32.h"
#include "weights/quantize_fallback.h"
#include "weights/weight_sites.h"

namespace fakequant {
namespace {

// Adds the errors of storing the rounded values as `bytes`.
void add_storage_errors(int type, std::span<const float> rounded, std::span<const std::byte> bytes,
                        TensorRounding& result) {
  if (is_float32(type)) return;
  Buffer<float> stored(rounded.size());
  decode_values(type, bytes, stored);
  if (std::memcmp(stored.data(), rounded.data(), rounded.size_bytes()) == 0) return;
  for (std::size_t i = 0; i < rounded.size(); ++i) {
    if (rounded[i] == stored[i] || std::isnan(rounded[i])) continue;
    ++result.storage_moved;
    const auto moved = std::fabs(static_cast<double>(stored[i]) - static_cast<double>(rounded[i]));
    if (std::isfinite(moved)) {
      result.storage_max_abs = std::max(result.storage_max_abs, moved);
    } else {
      ++result.storage_overflow;
    }
  }
}

// Counts the finite values that became infinite.
std::int64_t count_became_infinite(std::span<const float> before, std::span<const float> after) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < before.size(); ++i) count += std::isfinite(before[i]) && std::isinf(after[i]);
  return count;
}

// The other type that the settings want for a tensor, whether a rule selects it or not.
std::optional<int> stores_otherwise(const TensorInfo& tensor, const ApplySettings& settings) {
  if (!is_plain_float(tensor.type) && !is_quantized(tensor.type)) return std::nullopt;
  auto type = settings.promote_all && is_quantized(tensor.type) ? settings.promote_to : std::nullopt;
  if (settings.store_as && (is_float32(*settings.store_as) || !stays_float32(tensor))) type = settings.store_as;
  return type == tensor.type ? std::nullopt : type;
}

// The type that a rounded tensor is stored in. Throws a usage error if there is none.
int storage_type(const TensorInfo& tensor, const Rule& rule, const ApplySettings& settings) {
  const auto type = type_name(tensor.type);
  const auto refuse = [&](const std::string& why) {
    return usage_error(
        fmt::format("rule '{}' matches {}, which is stored as {}: {}", to_string(rule), tensor.name, type, why));
  };
  if (!is_plain_float(tensor.type) && !is_quantized(tensor.type)) {
    throw refuse("only floats and quantized tensors can be rounded");
  }
  if (settings.store_as) return stores_otherwise(tensor, settings).value_or(tensor.type);
  if (is_plain_float(tensor.type)) return tensor.type;
  if (settings.promote_to) return *settings.promote_to;
  if (!settings.requantize) {
    throw refuse(fmt::format("promote it to a wider type, such as f16, or requantize it to {}", type));
  }
  if (!can_quantize_again(tensor.type)) {
    throw refuse(fmt::format(
        "ggml quantizes to {} only with an importance matrix: promote it to a wider type, such as f16", type));
  }
  return tensor.type;
}

// "blk.*.ffn_up.weight, output.weight": the kinds of tensors, without their layers.
std::string kinds_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  std::vector<std::string> kinds;
  for (const auto& name : names) {
    auto kind = layer_pattern(name);
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(std::move(kind));
  }
  const auto shown = std::min(kinds.size(), kShown);
  return fmt::format("{}{}", fmt::join(kinds.begin(), kinds.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     kinds.size() > shown ? fmt::format(" and {} more", kinds.size() - shown) : "");
}

// Tensors that a rule selects and cannot round, for one message about all of them.
struct Unfit {
  std::vector<std::string> names;
  std::size_t selected = 0;  // by the same rule
  const Rule* rule = nullptr;
  std::int64_t row = 0;  // of the first

  void add(const TensorInfo& tensor, const Rule& by) {
    if (rule == nullptr) {
      rule = &by;
      row = row_elements(tensor);
    }
    if (rule == &by) names.push_back(tensor.name);
  }
};

// Throws a usage error that names the tensors whose rows are no multiple of the format's block.
void refuse_rows(const Unfit& unfit) {
  if (unfit.names.empty()) return;
  const auto& format = unfit.rule->format;
  const auto fallback = quantize_fallback(format.name);
  const auto which = unfit.names.size() == unfit.selected ? fmt::format("none of the {} fits", unfit.selected)
                                                          : fmt::format("{} of {} do not fit: {}", unfit.names.size(),
                                                                        unfit.selected, kinds_of(unfit.names));
  const auto advice = fallback.empty() ? std::string("leave them out")
                                       : fmt::format(
                                             "leave them out, or give them {}, as llama-quantize does (f16 where "
                                             "that does not fit either)",
                                             fallback);
  throw usage_error(fmt::format("rule '{}': {}: {}; {}: {}", to_string(*unfit.rule), unfit.names.front(),
                                row_misfit(format, unfit.row), which, advice));
}

// Throws a usage error that names the tensors that the importance matrix lacks and the format needs.
void refuse_missing_importance(const Unfit& missing) {
  if (missing.names.empty()) return;
  const auto& format = missing.rule->format;
  throw usage_error(fmt::format(
      "{} lacks {} that the rule '{}' selects, and ggml quantizes to {} only with an importance matrix, as "
      "llama-quantize says, too: {}: take a matrix that has them, or leave them out",
      format.importance_file, missing.names.size() == 1 ? "a tensor" : fmt::format("{} tensors", missing.names.size()),
      to_string(*missing.rule), format.name, kinds_of(missing.names)));
}

// Throws a usage error that names the tensors whose inputs a file lacks; `what` it has of inputs.
void refuse_missing_inputs(const Unfit& missing, const char* what, const std::string& file) {
  throw usage_error(fmt::format(
      "{0} lacks the {1} of {2} that the rule '{3}' selects: {4}: leave them out; only inputs of matrix products have "
      "{1}",
      file, what, missing.names.size() == 1 ? "a tensor" : fmt::format("{} tensors", missing.names.size()),
      to_string(*missing.rule), kinds_of(missing.names)));
}

}  // namespace

void add_piece(TensorRounding& total, const TensorRounding& piece) {
  total.errors.add(piece.errors);
  total.became_infinite += piece.became_infinite;
  total.storage_moved += piece.storage_moved;
  total.storage_overflow += piece.storage_overflow;
  total.storage_max_abs = std::max(total.storage_max_abs, piece.storage_max_abs);
}

WeightRounding::WeightRounding(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings)
    : model_(&model) {
  const auto winners = match_sites(recipe, weight_sites(model), layer_count(model.tensors()));
  std::map<std::size_t, std::size_t> selected;  // how many tensors each rule selects
  RoundingFiles files;
  Unfit rows, missing, missing_hessians, missing_channels;
  for (std::size_t t = 0; t < winners.size(); ++t) {
    const auto& tensor = model.tensors()[t];
    if (!winners[t]) {
      if (const auto type = stores_otherwise(tensor, settings)) types_[t] = *type;
      continue;
    }
    const auto& rule = recipe[*winners[t]];
    ++selected[*winners[t]];
    types_[t] = storage_type(tensor, rule, settings);
    auto data = files.of(rule.format);
    const bool lacks_importance = data.importance && data.importance->of(tensor).empty();
    if (!row_misfit(rule.format, row_elements(tensor)).empty()) {
      rows.add(tensor, rule);
    } else if (lacks_importance && needs_importance(rule.format)) {
      missing.add(tensor, rule);
    } else if ((data.hessians && !data.hessians->has(tensor)) || (data.output && !data.output->has(tensor)) ||
               (data.awq && data.awq->input_of(tensor) == nullptr)) {
      missing_hessians.add(tensor, rule);
    } else if (data.channels && data.channels->input_of(tensor.name) == nullptr) {
      missing_channels.add(tensor, rule);
    } else {
      if (lacks_importance) without_importance_.insert(t);
      rounders_.try_emplace(t, model, t, rule.format, std::move(data));
    }
  }
  if (rows.rule != nullptr) rows.selected = selected.at(static_cast<std::size_t>(rows.rule - recipe.data()));
  refuse_rows(rows);
  refuse_missing_importance(missing);
  if (const auto* rule = missing_hessians.rule) {
    const auto& format = rule->format;
    refuse_missing_inputs(missing_hessians, "Hessians", uses_awq(format) ? format.awq_file : format.gptq.hessian_file);
  }
  if (const auto* rule = missing_channels.rule) {
    refuse_missing_inputs(missing_channels, "channels", rule->format.smoothing.file);
  }
}

void WeightRounding::find_scale(std::size_t tensor, int threads) {
  if (const auto found = rounders_.find(tensor); found != rounders_.end()) found->second.find_scale(threads);
}

void WeightRounding::find_scales(int threads) {
  for (auto& [tensor, rounder] : rounders_) rounder.find_scale(threads);
}

PieceCut WeightRounding::cut(std::size_t tensor) const {
  if (is_quantized(types_.at(tensor))) return PieceCut::rows;  // ggml quantizes whole rows
  const auto rounder = rounders_.find(tensor);
  return rounder == rounders_.end() ? PieceCut::anywhere : rounder->second.cut();
}

TensorRounding WeightRounding::description(std::size_t tensor) const {
  const auto& info = model_->tensors()[tensor];
  const auto rounder = rounders_.find(tensor);
  TensorRounding description;
  description.name = info.name;
  description.type = type_name(info.type);
  description.stored_as = type_name(types_.at(tensor));
  if (rounder != rounders_.end()) description.format = to_string(rounder->second.format());
  description.lacks_importance = without_importance_.contains(tensor);
  return description;
}

WeightRounding::Piece WeightRounding::round(const TensorPiece& piece) const {
  const auto& tensor = model_->tensors()[piece.tensor];
  const auto type = types_.at(piece.tensor);
  Piece result;
  auto values = read_piece_values(*model_, piece);
  const auto rounder = rounders_.find(piece.tensor);
  if (rounder != rounders_.end()) {
    result.errors.errors = rounder->second.round(piece, values);
  } else {
    result.errors.errors.elements = piece.elements;
  }
  if (result.errors.errors.not_finite > 0) {
    result.errors.became_infinite = count_became_infinite(read_piece_values(*model_, piece), values);
  }
  result.bytes = about(tensor.name, [&] { return encode_values(type, values, row_elements(tensor)); });
  add_storage_errors(type, values, result.bytes, result.errors);
  return result;
}

void WeightRounding::store(const TensorPiece& piece, std::span<std::byte> bytes) const {
  // Kept from piece to piece: fresh memory costs as much as rounding.
  static thread_local Buffer<float> values;
  values.resize(static_cast<std::size_t>(piece.elements));
  read_piece_values(*model_, piece, values);
  if (const auto rounder = rounders_.find(piece.tensor); rounder != rounders_.end()) {
    rounder->second.round_values(piece, values);
  }
  encode_plain_floats(types_.at(piece.tensor), values, bytes);
}

void WeightRounding::change(const TensorPiece& piece, std::span<float> values) const {
  const auto& tensor = model_->tensors()[piece.tensor];
  const auto type = types_.at(piece.tensor);
  if (const auto rounder = rounders_.find(piece.tensor); rounder != rounders_.end()) {
    rounder->second.round_values(piece, values);
  }
  if (is_float32(type)) return;
  if (const auto half = half_of_type(type)) {
    static thread_local std::vector<std::uint16_t> stored;
    stored.resize(values.size());
    narrow(*half, values, stored.data());
    return widen(*half, stored.data(), values);
  }
  const auto bytes = about(tensor.name, [&] { return encode_values(type, values, row_elements(tensor)); });
  decode_values(type, bytes, values);
}

}  // namespace fakequant
