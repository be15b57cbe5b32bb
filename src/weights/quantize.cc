#include "weights/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "error.h"
#include "format/format_properties.h"
#include "format/ggml_types.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "lower_case.h"
#include "parallel.h"
#include "recipe/site_match.h"
#include "weights/file_type.h"
#include "weights/importance_matrix.h"
#include "weights/kept_float32.h"
#include "weights/model_output.h"
#include "weights/provenance_keys.h"
#include "weights/quantize_fallback.h"
#include "weights/rounding_files.h"
#include "weights/tensor_rounding.h"
#include "weights/weight_sites.h"

namespace fakequant {
namespace {

// GGML_QNT_VERSION, the version of ggml's block types, which no header of ggml's says.
constexpr std::uint32_t kQuantizationVersion = 2;

// The format that ggml's code for a type is; no value for F32, which needs none.
std::optional<Format> format_of_type(int type) {
  if (is_float32(type)) return std::nullopt;
  return parse_format("ggml:" + lower_case(type_name(type)));
}

// The type whose values are those of the format, bit for bit; no value if there is none.
std::optional<int> type_of_format(const Format& format) {
  if (const auto* block = format.block_type) {
    const auto& types = ggml_types();
    const bool is_stored = std::any_of(types.begin(), types.end(), [&](const auto& type) { return &type == block; });
    return is_stored ? std::optional(block->id) : std::nullopt;
  }
  for (const auto& [name, type] : {std::pair("f16", "f16"), {"bf16", "bf16"}, {"mantissa23", "f32"}}) {
    if (format == parse_format(name)) return plain_float_type(type);
  }
  return std::nullopt;
}

std::string no_type(const Rule& rule, const TensorInfo& tensor) {
  const auto& name = rule.format.name;
  // ggml's mxfp4 and nvfp4 find other scales, and round ties otherwise.
  const auto advice = name == "mxfp4" || name == "nvfp4"
                          ? fmt::format("ggml's type of this name has other values: take ggml:{}", name)
                          : std::string("take one of ggml's types, such as q4_k, or f16, bf16 or mantissa23 (F32)");
  return fmt::format("rule '{}' matches {}, and no file can store {}: {}, or allow fakes, to keep it rounded in {}",
                     to_string(rule), tensor.name, to_string(rule.format), advice, type_name(tensor.type));
}

// The type that a tensor gets instead of one whose block does not divide its rows: as llama-quantize does, which takes
// F16 where that does not fit either.
int fitting_type(int type, const TensorInfo& tensor) {
  const auto fits = [&](int candidate) { return row_elements(tensor) % block_elements(candidate) == 0; };
  if (fits(type)) return type;
  const auto other = find_tensor_type(quantize_fallback(lower_case(type_name(type))));
  return other && fits(*other) ? *other : plain_float_type("f16");
}

// What is done with one tensor.
struct Step {
  std::size_t tensor = 0;
  std::optional<TensorRounder> rounder;  // none: the values are stored as they are, in F32
  bool is_fake = false;                  // rounded by the rounder, then stored
};

class Quantization {
 public:
  Quantization(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings);

  QuantizeResult result(const std::vector<std::string>& outputs) const;
  const std::map<std::size_t, int>& types() const { return types_; }
  KeyChanges keys() const;
  void write(const Rewrite& rewrite, int threads, const Progress& progress);
  void write(const TensorRoom& room, int threads);

 private:
  // Calls keep(piece, bytes) for all pieces of the tensors of these steps, from several threads.
  template <typename Keep>
  void quantize(const std::vector<Step*>& steps, int threads, const Progress& progress, const Keep& keep);

  void take_rule(std::size_t tensor, const Rule& rule);
  void take(std::size_t tensor, int type, const std::string& importance_file, const std::string& asked);
  Buffer<std::byte> stored(const Step& step, const TensorPiece& piece) const;
  std::uint32_t file_type() const;

  const GgufModel& model_;
  const QuantizeSettings& settings_;
  std::string recipe_;
  RoundingFiles files_;
  std::vector<Step> steps_;
  std::map<std::size_t, int> types_;      // of the tensors that get new data
  std::vector<QuantizedTensor> tensors_;  // all
};

Quantization::Quantization(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings)
    : model_(model), settings_(settings), recipe_(to_string(recipe)) {
  const auto& all = model.tensors();
  for (const auto& tensor : all) {
    const auto type = type_name(tensor.type);
    tensors_.push_back({tensor.name, type, type, "", tensor.elements, tensor.size});
  }
  const auto winners = recipe.empty() ? std::vector<std::optional<std::size_t>>(all.size())
                                      : match_sites(recipe, weight_sites(model), layer_count(all));
  for (std::size_t t = 0; t < all.size(); ++t) {
    if (winners[t]) {
      take_rule(t, recipe[*winners[t]]);
    } else if (const auto wanted = settings.types.find(all[t].name); wanted != settings.types.end()) {
      const auto& [type, instead_of] = wanted->second;
      tensors_[t].is_fallback = !instead_of.empty();
      take(t, type, settings.importance_file, instead_of);
    }
  }
}

void Quantization::take_rule(std::size_t t, const Rule& rule) {
  const auto& tensor = model_.tensors()[t];
  const auto refuse = [&](const std::string& why) {
    return usage_error(fmt::format("rule '{}' matches {}, {}", to_string(rule), tensor.name, why));
  };
  if (!is_plain_float(tensor.type) && !is_quantized(tensor.type)) {
    throw refuse(fmt::format("which is stored as {}: only floats and quantized tensors can be quantized",
                             type_name(tensor.type)));
  }
  const auto* unpackable = uses_hessian(rule.format)            ? "fit=gptq"
                           : finds_range_by_output(rule.format) ? "range=output"
                           : is_smoothed(rule.format)           ? "smooth="
                           : uses_awq(rule.format)              ? "awq="
                                                                : nullptr;
  if (unpackable != nullptr) {
    throw refuse(
        fmt::format("and {} is not for packed types: apply rounds so, and keeps the tensor's float type", unpackable));
  }
  const auto type = type_of_format(rule.format);
  const bool is_vector = stays_float32(tensor) && type && !is_float32(*type);
  if (is_vector && !settings_.allow_fake) {
    throw refuse("which llama.cpp computes with in F32 only: leave it out, or allow fakes, to keep it rounded in F32");
  }
  if (!type && !settings_.allow_fake) throw usage_error(no_type(rule, tensor));
  if (!type || is_vector) {
    if (!is_plain_float(tensor.type)) {
      throw refuse(fmt::format("which is stored as {}, and cannot hold {}: quantize the original, of F16, BF16 or F32",
                               type_name(tensor.type), to_string(rule.format)));
    }
    auto& info = tensors_[t];
    info.format = to_string(rule.format);
    info.is_fake = true;
    const auto matrix = files_.importance(rule.format.importance_file);
    info.lacks_importance = matrix && matrix->of(tensor).empty();
    types_[t] = tensor.type;
    steps_.push_back({t, TensorRounder(model_, t, rule.format, {.importance = matrix}), true});
    return;
  }
  auto format = rule.format;
  if (format.block_type != nullptr && format.importance_file.empty())
    format.importance_file = settings_.importance_file;
  const auto asked = to_string(format);
  const auto fitting = fitting_type(*type, tensor);
  tensors_[t].is_fallback = fitting != *type;
  take(t, fitting, format.importance_file, asked);
}

void Quantization::take(std::size_t t, int type, const std::string& importance_file, const std::string& asked) {
  const auto& tensor = model_.tensors()[t];
  auto& info = tensors_[t];
  auto format = format_of_type(type);
  if (format && is_quantized(type)) format->importance_file = importance_file;
  info.format = asked.empty() ? (format ? to_string(*format) : "f32") : asked;
  if (type == tensor.type) return;  // it is what it shall be
  if (is_quantized(tensor.type) && !settings_.allow_requantize) {
    throw usage_error(
        fmt::format("{} is quantized already: {} is stored as {}; quantize the original, of F16, BF16 or F32, or allow "
                    "to quantize again, at a loss",
                    model_.path(), tensor.name, type_name(tensor.type)));
  }
  const auto matrix = format ? files_.importance(format->importance_file) : nullptr;
  info.lacks_importance = matrix && matrix->of(tensor).empty();
  info.stored_as = type_name(type);
  info.bytes = stored_bytes(type, tensor.elements);
  types_[t] = type;
  Step step{t, std::nullopt, false};
  if (format) step.rounder.emplace(model_, t, *format, RoundingData{.importance = matrix});
  steps_.push_back(std::move(step));
}

std::uint32_t Quantization::file_type() const {
  if (settings_.file_type) return *settings_.file_type;
  if (const auto changed = changed_file_type(model_, types_)) return *changed;
  return static_cast<std::uint32_t>(model_.first().find_integer("general.file_type").value_or(0));
}

QuantizeResult Quantization::result(const std::vector<std::string>& outputs) const {
  QuantizeResult result;
  result.model = model_.path();
  result.outputs = outputs;
  result.recipe = recipe_;
  result.mix = settings_.mix;
  result.importance_file = settings_.importance_file;
  result.file_type = file_type();
  result.tensors = tensors_;
  result.model_size = model_.size();
  return result;
}

KeyChanges Quantization::keys() const {
  KeyChanges keys;
  keys.keeps_page_offset = false;  // the data moves as the types change
  keys.numbers["general.file_type"] = file_type();
  keys.numbers["general.quantization_version"] = kQuantizationVersion;
  // There are keys for one matrix.
  if (files_.importances().size() == 1) {
    const auto& matrix = *files_.importances().begin()->second;
    keys.strings.push_back({"quantize.imatrix.file", matrix.path()});
    if (!matrix.texts().empty()) keys.strings.push_back({"quantize.imatrix.dataset", matrix.texts().front()});
    keys.numbers["quantize.imatrix.entries_count"] = static_cast<std::uint32_t>(matrix.columns().size());
    if (matrix.chunks()) keys.numbers["quantize.imatrix.chunks_count"] = *matrix.chunks();
  }
  if (settings_.provenance) {
    auto made_by = recipe_;
    if (!settings_.mix.empty()) made_by = settings_.mix + (recipe_.empty() ? "" : " ") + recipe_;
    for (auto& key : provenance_keys(model_, made_by, Hashed::headers)) keys.strings.push_back(std::move(key));
  }
  return keys;
}

Buffer<std::byte> Quantization::stored(const Step& step, const TensorPiece& piece) const {
  auto values = read_piece_values(model_, piece);
  if (!step.rounder) return encode_values(types_.at(step.tensor), values, row_elements(model_.tensors()[step.tensor]));
  if (!step.is_fake) return step.rounder->pack(piece, values);
  step.rounder->round_values(piece, values);
  return encode_values(types_.at(step.tensor), values, row_elements(model_.tensors()[step.tensor]));
}

template <typename Keep>
void Quantization::quantize(const std::vector<Step*>& steps, int threads, const Progress& progress, const Keep& keep) {
  TensorPieces pieces;
  std::map<std::size_t, const Step*> step_of;
  for (auto* step : steps) {
    if (step->is_fake) step->rounder->find_scale(threads);
    const bool is_plain = !step->rounder || (step->is_fake && step->rounder->cut() == PieceCut::anywhere);
    pieces.add(step->tensor, model_.tensors()[step->tensor], is_plain ? PieceCut::anywhere : PieceCut::rows);
    step_of[step->tensor] = step;
  }
  const auto quantize_piece = [&](std::int64_t i) {
    const auto piece = pieces[i];
    keep(piece, stored(*step_of.at(piece.tensor), piece));
  };
  parallel_for(pieces.size(), threads, quantize_piece, progress);
}

void Quantization::write(const Rewrite& rewrite, int threads, const Progress& progress) {
  std::vector<Step*> steps;
  for (auto& step : steps_) steps.push_back(&step);
  rewrite.write_headers();
  parallel_for(rewrite.copies(), 1, [&](std::int64_t i) { rewrite.copy(i); });
  quantize(steps, threads, progress,
           [&](const TensorPiece& piece, const Buffer<std::byte>& bytes) { rewrite.write(piece, bytes); });
}

void Quantization::write(const TensorRoom& room, int threads) {
  std::vector<Step*> steps;
  std::map<std::size_t, std::span<std::byte>> rooms;
  for (auto& step : steps_) {
    const auto memory = room(tensors_[step.tensor], types_.at(step.tensor));
    if (memory.empty()) continue;
    rooms[step.tensor] = memory;
    steps.push_back(&step);
  }
  quantize(steps, threads, {}, [&](const TensorPiece& piece, const Buffer<std::byte>& bytes) {
    const auto at = static_cast<std::ptrdiff_t>(stored_bytes(types_.at(piece.tensor), piece.first_element));
    std::copy(bytes.begin(), bytes.end(), rooms.at(piece.tensor).begin() + at);
  });
}

// So many bytes of a tensor's data, up to where the next one's begins.
std::uint64_t padded(const GgufModel& model, const TensorInfo& tensor, std::uint64_t bytes) {
  const std::uint64_t alignment = model.parts()[tensor.part].alignment();
  return (bytes + alignment - 1) / alignment * alignment;
}

std::vector<std::string> paths_of(const std::vector<RewriteTarget>& targets) {
  std::vector<std::string> paths;
  for (const auto& target : targets) paths.push_back(target.path);
  return paths;
}

}  // namespace

std::int64_t QuantizeResult::elements() const {
  std::int64_t total = 0;
  for (const auto& tensor : tensors) total += tensor.elements;
  return total;
}

double QuantizeResult::bits_per_weight() const {
  std::uint64_t bytes = 0;
  for (const auto& tensor : tensors) bytes += tensor.bytes;
  return elements() == 0 ? 0 : static_cast<double>(bytes) * 8 / static_cast<double>(elements());
}

QuantizeResult quantize_to_files(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings,
                                 const std::string& output, int threads, const Progress& progress) {
  Quantization quantization(model, recipe, settings);
  ModelOutput files(model, output);
  const Rewrite rewrite(model, files.targets(), quantization.types(), quantization.keys());
  quantization.write(rewrite, threads, progress);
  files.commit();
  auto result = quantization.result(paths_of(files.targets()));
  result.output_size = rewrite.size();
  return result;
}

void quantize_in_memory(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings,
                        const TensorRoom& room, int threads) {
  Quantization(model, recipe, settings).write(room, threads);
}

QuantizeResult foretell_quantize(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings,
                                 const std::string& output) {
  const Quantization quantization(model, recipe, settings);
  const auto paths = part_paths(output, model.parts().size());
  std::vector<RewriteTarget> targets;
  for (const auto& path : paths) targets.push_back({-1, path});
  auto result = quantization.result(paths);
  result.output_size = Rewrite(model, targets, quantization.types(), quantization.keys()).size();
  return result;
}

std::uint64_t padded_bytes(const GgufModel& model, const TensorInfo& tensor) {
  return padded(model, tensor, tensor.size);
}

std::optional<std::uint64_t> padded_bytes(const GgufModel& model, const TensorInfo& tensor, const Format& format) {
  const auto type = type_of_format(format);
  if (!type || (stays_float32(tensor) && !is_float32(*type))) return std::nullopt;
  if (is_quantized(tensor.type) && tensor.type != *type) return std::nullopt;
  return padded(model, tensor, stored_bytes(fitting_type(*type, tensor), tensor.elements));
}

}  // namespace fakequant
