#include "weights/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "error.h"
#include "gguf/model_hash.h"
#include "gguf/output_file.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "recipe/site_match.h"
#include "version.h"
#include "weights/tensor_rounding.h"
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

// Adds the errors of another piece.
void add_piece(TensorRounding& total, const TensorRounding& piece) {
  total.errors.add(piece.errors);
  total.became_infinite += piece.became_infinite;
  total.storage_moved += piece.storage_moved;
  total.storage_overflow += piece.storage_overflow;
  total.storage_max_abs = std::max(total.storage_max_abs, piece.storage_max_abs);
}

// The type that a rounded tensor is stored in. Throws a usage error if there is none.
int storage_type(const TensorInfo& tensor, const Rule& rule, const ApplySettings& settings) {
  const auto type = type_name(tensor.type);
  const auto refuse = [&](const std::string& why) {
    return usage_error(
        fmt::format("rule '{}' matches {}, which is stored as {}: {}", to_string(rule), tensor.name, type, why));
  };
  if (is_plain_float(tensor.type)) return tensor.type;
  if (!is_quantized(tensor.type)) throw refuse("only floats and quantized tensors can be rounded");
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

// For each tensor that a rule selects, its rounder and storage type, and the importance matrices that rounders read.
class WeightRounding {
 public:
  WeightRounding(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings) {
    const auto winners = match_sites(recipe, weight_sites(model), layer_count(model.tensors()));
    for (std::size_t t = 0; t < winners.size(); ++t) {
      if (!winners[t]) continue;
      const auto& rule = recipe[*winners[t]];
      types_[t] = storage_type(model.tensors()[t], rule, settings);
      const auto& path = rule.format.importance_file;
      if (!path.empty() && !matrices_.contains(path)) matrices_.try_emplace(path, path);
      rounders_.try_emplace(t, model, t, rule.format, path.empty() ? nullptr : &matrices_.at(path));
    }
  }

  std::map<std::size_t, TensorRounder>& rounders() { return rounders_; }      // by tensor
  const std::map<std::size_t, int>& storage_types() const { return types_; }  // by tensor

 private:
  std::map<std::string, ImportanceMatrix> matrices_;
  std::map<std::size_t, TensorRounder> rounders_;
  std::map<std::size_t, int> types_;
};

std::vector<StringKey> provenance_keys(const GgufModel& model, const std::string& recipe,
                                       const ApplySettings& settings) {
  if (!settings.provenance) return {};
  auto source = fmt::format("{}, {} bytes, header sha256 {}", std::filesystem::path(model.path()).filename().string(),
                            model.size(), sha256_of(model, Hashed::headers));
  if (settings.hash_everything) source += fmt::format(", sha256 {}", sha256_of(model, Hashed::files));
  return {{"fakequant.recipe", recipe}, {"fakequant.version", version()}, {"fakequant.source", source}};
}

}  // namespace

std::vector<PlannedRounding> plan_rounding(const GgufModel& model, const Recipe& recipe,
                                           const ApplySettings& settings) {
  WeightRounding rounding(model, recipe, settings);
  std::vector<PlannedRounding> plan;
  for (const auto& [t, rounder] : rounding.rounders()) {
    plan.push_back({t, to_string(rounder.format()), rounding.storage_types().at(t)});
  }
  return plan;
}

std::set<std::string> changed_tensors(const ApplyResult& rounding) {
  std::set<std::string> names;
  for (const auto& tensor : rounding.tensors) {
    if (tensor.errors.changed > 0 || tensor.stored_as != tensor.type) names.insert(tensor.name);
  }
  return names;
}

Recipe default_weight_recipe() { return {parse_rule("w:ffn_norm=bf16,round=zero")}; }

ApplyResult apply_to_targets(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                             const std::vector<RewriteTarget>& targets, int threads, const Progress& progress) {
  WeightRounding rounding(model, recipe, settings);
  const auto& types = rounding.storage_types();
  ApplyResult result;
  result.model = model.path();
  for (const auto& target : targets) result.outputs.push_back(target.path);
  result.recipe = to_string(recipe);
  result.tensors_copied = static_cast<std::int64_t>(model.tensors().size() - rounding.rounders().size());

  TensorPieces pieces;
  std::map<std::size_t, std::size_t> result_of_tensor;
  for (auto& [t, rounder] : rounding.rounders()) {
    const auto& tensor = model.tensors()[t];
    rounder.find_scale(threads);
    // ggml quantizes whole rows.
    pieces.add(t, tensor, is_quantized(types.at(t)) ? PieceCut::rows : rounder.cut());
    result_of_tensor[t] = result.tensors.size();
    result.tensors.push_back(
        {tensor.name, type_name(tensor.type), type_name(types.at(t)), to_string(rounder.format()), {}, 0, 0, 0, 0});
  }

  const Rewrite rewrite(model, targets, types, provenance_keys(model, result.recipe, settings));
  rewrite.write_headers();
  // Progress counts the bytes that both loops write.
  const auto copied = rewrite.copied_bytes();
  const auto part = static_cast<double>(copied) / static_cast<double>(std::max<std::uint64_t>(rewrite.size(), 1));
  const auto part_of_progress = [&](double begin, double share) {
    return progress ? Progress([=, &progress](double done) { progress(begin + share * done); }) : Progress();
  };
  // On one thread: the kernel lets one thread at a time write to a file.
  parallel_for(
      rewrite.copies(), 1, [&](std::int64_t i) { rewrite.copy(i); }, part_of_progress(0, part));

  const auto round_piece = [&](std::int64_t i) {
    const auto piece = pieces[i];
    const auto& tensor = model.tensors()[piece.tensor];
    const auto type = types.at(piece.tensor);
    TensorRounding part_result;
    auto values = read_piece_values(model, piece);
    part_result.errors = rounding.rounders().at(piece.tensor).round(piece, values);
    if (part_result.errors.saturated > 0) {
      part_result.became_infinite = count_became_infinite(read_piece_values(model, piece), values);
    }
    const auto bytes = about(tensor.name, [&] { return encode_values(type, values, row_elements(tensor)); });
    add_storage_errors(type, values, bytes, part_result);
    rewrite.write(piece, bytes);
    return part_result;
  };
  const auto fold = [&](std::int64_t i, const TensorRounding& part_result) {
    add_piece(result.tensors[result_of_tensor[pieces[i].tensor]], part_result);
  };
  parallel_fold(pieces.size(), threads, round_piece, fold, part_of_progress(part, 1 - part));
  result.output_size = rewrite.size();
  return result;
}

ApplyResult apply_to_files(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                           const std::string& output, int threads, const Progress& progress) {
  std::error_code ignored;
  const auto status = std::filesystem::status(output, ignored);
  if (std::filesystem::exists(status) && std::filesystem::is_other(status)) {
    throw usage_error(fmt::format("cannot write a model to {}, which is not a file: name a file", output));
  }
  std::vector<std::unique_ptr<OutputFile>> files;
  std::vector<RewriteTarget> targets;
  for (const auto& path : part_paths(output, model.parts().size())) {
    for (const auto& part : model.parts()) {
      if (is_same_file(part.path(), path)) {
        throw usage_error(
            fmt::format("the output {} is the model itself, which is only read: name another file", path));
      }
    }
    files.push_back(std::make_unique<OutputFile>(path));
    if (!files.back()->is_file()) {
      throw usage_error(fmt::format("cannot write a model to {}, where writes cannot seek: name a file", path));
    }
    targets.push_back({files.back()->fd(), path});
  }
  auto result = apply_to_targets(model, recipe, settings, targets, threads, progress);
  // A split model is opened through its first part: without it, the output does not look complete.
  if (files.size() > 1) files.front()->remove_target();
  for (auto file = files.rbegin(); file != files.rend(); ++file) (*file)->commit();
  return result;
}

}  // namespace fakequant
