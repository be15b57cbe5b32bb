#include "weights/apply.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_properties.h"
#include "gguf/file_lock.h"
#include "gguf/model_hash.h"
#include "gguf/output_file.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"
#include "recipe/site_match.h"
#include "version.h"
#include "weights/file_type.h"
#include "weights/quantize_fallback.h"
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

// True for the F32 tensors that llama.cpp's converter keeps as F32 in files of 16-bit floats
// (convert_hf_to_gguf.py, prepare_tensors): its kernels take no other.
bool stays_float32(const TensorInfo& tensor) {
  if (!is_float32(tensor.type)) return false;
  if (tensor.shape.size() < 2 || tensor.name.ends_with("_norm.weight")) return true;
  constexpr std::array words = {"ffn_gate_inp", "position_embd", "token_types", "ssm_conv1d",
                                "shortconv",    "time_mix_",     "posnet",      "rope_factors"};
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return tensor.name.find(word) != std::string::npos; });
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

// For each tensor that a rule selects, its rounder and storage type, and the importance matrices that rounders read.
class WeightRounding {
 public:
  WeightRounding(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings) {
    const auto winners = match_sites(recipe, weight_sites(model), layer_count(model.tensors()));
    std::map<std::size_t, std::size_t> selected;  // how many tensors each rule selects
    Unfit rows, missing;
    for (std::size_t t = 0; t < winners.size(); ++t) {
      const auto& tensor = model.tensors()[t];
      if (!winners[t]) {
        if (const auto type = stores_otherwise(tensor, settings)) types_[t] = *type;
        continue;
      }
      const auto& rule = recipe[*winners[t]];
      ++selected[*winners[t]];
      types_[t] = storage_type(tensor, rule, settings);
      const auto& path = rule.format.importance_file;
      if (!path.empty() && !matrices_.contains(path)) matrices_.try_emplace(path, path);
      const auto* matrix = path.empty() ? nullptr : &matrices_.at(path);
      if (!row_misfit(rule.format, row_elements(tensor)).empty()) {
        rows.add(tensor, rule);
      } else if (matrix != nullptr && matrix->of(tensor).empty() && needs_importance(rule.format)) {
        missing.add(tensor, rule);
      } else {
        if (matrix != nullptr && matrix->of(tensor).empty()) without_importance_.insert(t);
        rounders_.try_emplace(t, model, t, rule.format, matrix);
      }
    }
    if (rows.rule != nullptr) rows.selected = selected.at(static_cast<std::size_t>(rows.rule - recipe.data()));
    refuse_rows(rows);
    refuse_missing_importance(missing);
  }

  std::map<std::size_t, TensorRounder>& rounders() { return rounders_; }      // by tensor
  const std::map<std::size_t, int>& storage_types() const { return types_; }  // by tensor, also of those without a rule
  bool lacks_importance(std::size_t tensor) const { return without_importance_.contains(tensor); }

 private:
  std::map<std::string, ImportanceMatrix> matrices_;
  std::map<std::size_t, TensorRounder> rounders_;
  std::map<std::size_t, int> types_;
  std::set<std::size_t> without_importance_;
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
    if (tensor.errors.changed > 0 || tensor.storage_moved > 0 || tensor.stored_as != tensor.type) {
      names.insert(tensor.name);
    }
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
  result.tensors_copied = static_cast<std::int64_t>(model.tensors().size() - types.size());

  TensorPieces pieces;
  std::map<std::size_t, std::size_t> result_of_tensor;
  for (const auto& [t, type] : types) {
    const auto& tensor = model.tensors()[t];
    const auto rounder = rounding.rounders().find(t);
    const bool is_rounded = rounder != rounding.rounders().end();
    if (is_rounded) rounder->second.find_scale(threads);
    // ggml quantizes whole rows.
    pieces.add(t, tensor,
               is_quantized(type) ? PieceCut::rows
               : is_rounded       ? rounder->second.cut()
                                  : PieceCut::anywhere);
    result_of_tensor[t] = result.tensors.size();
    result.tensors.push_back({tensor.name,
                              type_name(tensor.type),
                              type_name(type),
                              is_rounded ? to_string(rounder->second.format()) : "",
                              {},
                              0,
                              0,
                              0,
                              0,
                              rounding.lacks_importance(t)});
  }

  NumberKeys numbers;
  if (const auto number = changed_file_type(model, types)) numbers["general.file_type"] = *number;
  const Rewrite rewrite(model, targets, types, provenance_keys(model, result.recipe, settings), numbers);
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
    const auto rounder = rounding.rounders().find(piece.tensor);
    if (rounder != rounding.rounders().end()) {
      part_result.errors = rounder->second.round(piece, values);
    } else {
      part_result.errors.elements = piece.elements;
    }
    if (part_result.errors.not_finite > 0) {
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
  // Two programs that write the same parts at once would mix them.
  std::optional<FileLock> lock;
  if (model.parts().size() > 1) lock.emplace(part_paths(output, model.parts().size()).front());
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
