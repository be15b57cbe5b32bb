#include "engine/quantization_mix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llama.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "engine/backend.h"
#include "engine/model.h"
#include "error.h"
#include "gguf/tensor_type.h"
#include "lower_case.h"

namespace fakequant {
namespace {

struct NamedMix {
  const char* name;
  llama_ftype type;
};

constexpr NamedMix kMixes[] = {
    {"q1_0", LLAMA_FTYPE_MOSTLY_Q1_0},
    {"q2_0", LLAMA_FTYPE_MOSTLY_Q2_0},
    {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
    {"q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},
    {"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},
    {"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},
    {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
    {"q2_k", LLAMA_FTYPE_MOSTLY_Q2_K},
    {"q2_k_s", LLAMA_FTYPE_MOSTLY_Q2_K_S},
    {"q3_k", LLAMA_FTYPE_MOSTLY_Q3_K_M},
    {"q3_k_s", LLAMA_FTYPE_MOSTLY_Q3_K_S},
    {"q3_k_m", LLAMA_FTYPE_MOSTLY_Q3_K_M},
    {"q3_k_l", LLAMA_FTYPE_MOSTLY_Q3_K_L},
    {"q4_k", LLAMA_FTYPE_MOSTLY_Q4_K_M},
    {"q4_k_s", LLAMA_FTYPE_MOSTLY_Q4_K_S},
    {"q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M},
    {"q5_k", LLAMA_FTYPE_MOSTLY_Q5_K_M},
    {"q5_k_s", LLAMA_FTYPE_MOSTLY_Q5_K_S},
    {"q5_k_m", LLAMA_FTYPE_MOSTLY_Q5_K_M},
    {"q6_k", LLAMA_FTYPE_MOSTLY_Q6_K},
    {"iq1_s", LLAMA_FTYPE_MOSTLY_IQ1_S},
    {"iq1_m", LLAMA_FTYPE_MOSTLY_IQ1_M},
    {"iq2_xxs", LLAMA_FTYPE_MOSTLY_IQ2_XXS},
    {"iq2_xs", LLAMA_FTYPE_MOSTLY_IQ2_XS},
    {"iq2_s", LLAMA_FTYPE_MOSTLY_IQ2_S},
    {"iq2_m", LLAMA_FTYPE_MOSTLY_IQ2_M},
    {"iq3_xxs", LLAMA_FTYPE_MOSTLY_IQ3_XXS},
    {"iq3_xs", LLAMA_FTYPE_MOSTLY_IQ3_XS},
    {"iq3_s", LLAMA_FTYPE_MOSTLY_IQ3_S},
    {"iq3_m", LLAMA_FTYPE_MOSTLY_IQ3_M},
    {"iq4_nl", LLAMA_FTYPE_MOSTLY_IQ4_NL},
    {"iq4_xs", LLAMA_FTYPE_MOSTLY_IQ4_XS},
    {"tq1_0", LLAMA_FTYPE_MOSTLY_TQ1_0},
    {"tq2_0", LLAMA_FTYPE_MOSTLY_TQ2_0},
    {"mxfp4_moe", LLAMA_FTYPE_MOSTLY_MXFP4_MOE},
    {"nvfp4", LLAMA_FTYPE_MOSTLY_NVFP4},
    {"f16", LLAMA_FTYPE_MOSTLY_F16},
    {"bf16", LLAMA_FTYPE_MOSTLY_BF16},
    {"f32", LLAMA_FTYPE_ALL_F32},
};

llama_ftype mix_of_name(const std::string& name) {
  for (const auto& mix : kMixes) {
    if (lower_case(name) == mix.name) return mix.type;
  }
  throw usage_error(
      fmt::format("'{}' is none of llama-quantize's types: take {}", name, fmt::join(quantization_mixes(), ", ")));
}

// The text between two others in a line; empty if the line does not have them.
std::string_view between(std::string_view line, std::string_view before, std::string_view after) {
  const auto begin = line.find(before);
  if (begin == line.npos) return {};
  line.remove_prefix(begin + before.size());
  const auto end = line.find(after);
  return end == line.npos ? std::string_view() : line.substr(0, end);
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

// Reads the lines
//   [   2/  56] token_embd.weight   - [   256,   1024,      1,      1], type =    f16, size =  0.50 MiB -> 0.21 MiB
//   (q6_K) warning: blk.0.attn_q.weight    - ncols    576 not divisible by 256 (required for type    q4_K) -> falling
//   back ...
class DryRunLines {
 public:
  void read(std::string_view log) {
    while (!log.empty()) {
      const auto end = std::min(log.find('\n'), log.size());
      read_line(log.substr(0, end));
      log.remove_prefix(std::min(end + 1, log.size()));
    }
  }

  const std::map<std::string, QuantizationMix::Type>& types() const { return types_; }
  bool has_type_of(const std::string& tensor) const { return named_.contains(tensor); }
  bool needs_importance() const { return needs_importance_; }

 private:
  void read_line(std::string_view line) {
    if (line.find("will require an imatrix") != line.npos) needs_importance_ = true;
    if (const auto wanted = trimmed(between(line, "(required for type", ")")); !wanted.empty()) {
      types_[std::string(trimmed(between(line, "warning:", " - ")))].instead_of = lower_case(std::string(wanted));
      return;
    }
    if (!line.starts_with('[') || line.find("], type =") == line.npos) return;
    const auto name = trimmed(between(line, "]", " - ["));
    const auto before = trimmed(between(line, "], type =", ","));
    const auto after = line.find("->") == line.npos ? before : trimmed(between(line, "MiB (", ")"));
    const auto type = find_tensor_type(after);
    if (!name.empty() && type) {
      types_[std::string(name)].type = *type;
      named_.emplace(name);
    }
  }

  std::map<std::string, QuantizationMix::Type> types_;
  std::set<std::string> named_;  // the tensors with a type
  bool needs_importance_ = false;
};

}  // namespace

std::vector<std::string> quantization_mixes() {
  std::vector<std::string> names;
  for (const auto& mix : kMixes) names.emplace_back(mix.name);
  return names;
}

QuantizationMix quantization_mix(const GgufModel& model, const std::string& name,
                                 const std::vector<WeightImportance>& importance) {
  QuantizationMix mix;
  const auto type = mix_of_name(name);
  mix.file_type = static_cast<std::uint32_t>(type);
  check_layers(model);
  start_backends();
  std::vector<llama_model_imatrix_data> matrices;
  for (const auto& weight : importance)
    matrices.push_back({weight.name.c_str(), weight.values.data(), weight.values.size()});
  matrices.push_back({nullptr, nullptr, 0});
  auto parameters = llama_model_quantize_default_params();
  parameters.nthread = 1;
  parameters.ftype = type;
  parameters.allow_requantize = true;
  parameters.dry_run = true;
  if (!importance.empty()) parameters.imatrix = matrices.data();
  clear_engine_error();
  std::uint32_t failed = 0;
  const auto log = engine_log_of([&] { failed = llama_model_quantize(model.path().c_str(), "", &parameters); });
  if (failed != 0) throw Error(fmt::format("llama.cpp cannot quantize {}: {}", model.path(), engine_error()));
  DryRunLines lines;
  lines.read(log);
  if (lines.needs_importance() && importance.empty()) {
    throw usage_error(fmt::format("llama.cpp quantizes {} to {} only with an importance matrix: give one (imatrix)",
                                  model.path(), name));
  }
  mix.types = lines.types();
  const auto is_known = [&](const TensorInfo& tensor) { return lines.has_type_of(tensor.name); };
  if (const auto& all = model.tensors(); !std::all_of(all.begin(), all.end(), is_known)) {
    throw Error(fmt::format("{} does not say which types {} gives to the tensors of {}: name them by rules",
                            engine_version(), name, model.path()));
  }
  return mix;
}

}  // namespace fakequant
