#include "cli/file_plan_cost.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "format/fake_quantize.h"
#include "format/format_properties.h"
#include "gguf/tensor_pieces.h"
#include "measure/importance_collector.h"
#include "measure/kept_baseline.h"
#include "measure/text_chunks.h"
#include "recipe/weight_class.h"
#include "seconds_of.h"
#include "sweep/weight_errors.h"
#include "weights/weight_sites.h"

namespace fakequant {
namespace {

constexpr std::uint64_t kMaxBaselines = std::uint64_t{1} << 30;  // bytes that are kept of the baseline's results
constexpr double kBaselines = 3;  // passes of a predicted sweep, of each chunk (sweep/predicted_sweep.cc)
// Variants that are measured of each matrix of the layers: one, and others that check predictions. Of these and of the
// former the later layers, which cost less, are taken first, so that a variant computes fewer than half of the layers.
constexpr double kVariantsOfPart = 1.7, kLayersOfVariant = 0.44;
constexpr double kChangedByMix = 0.2;  // of the values of the layers, from one refined mix to the next

// Seconds for a chunk: to collect importances, of the baseline, and of a variant that computes no layer again.
struct ChunkTimes {
  double importance = 0, whole = 0, last = 0;
  std::uint64_t kept_bytes = 0;
  int chunks_in_text = 0;
};

ChunkTimes time_chunk(const FilePlanRequest& request, const GgufModel& file) {
  const Model model(file.paths(), request.compute.devices, request.compute.arithmetic);
  const auto plan = plan_chunks(model, request.ctx_size, request.compute);
  TextChunks text(model, text_file(request.texts.front()), request.ctx_size, kImportanceChunks);
  const auto tokens = *text.next();
  ChunkTimes times;
  times.chunks_in_text = text.expected();
  {
    Context context(model, context_options(request.ctx_size, request.compute), {});
    ImportanceCollector importance;
    context.show_inputs([&](const ProductInput& input) { importance.add(input); });
    // The first reads the weights from the disk, and makes room for all that is computed.
    for (int i = 0; i < 2; ++i) {
      context.clear();
      times.importance = seconds_of([&] { context.evaluate(tokens, {0, tokens.size()}); });
    }
  }
  Context context(model, plan.context, {});
  auto kept = keep_baseline(context, plan, {0, tokens});
  times.kept_bytes = kept.bytes();
  times.whole = seconds_of([&] { kept = keep_baseline(context, plan, {0, tokens}); });
  times.last = std::min(times.whole, seconds_of([&] { score_chunk(context, plan, kept, model.layers()); }));
  return times;
}

// Seconds for a value of a weight, of one thread; 0 where the format does not fit.
double seconds_for_value(const GgufModel& file, std::size_t tensor, const Format& format, bool has_importance) {
  constexpr std::size_t kGroups = 4;  // of rows
  const auto row = row_elements(file.tensors()[tensor]);
  if (!row_misfit(format, row).empty()) return 0;
  const std::vector<float> importance(static_cast<std::size_t>(row), 1.0F);
  auto rows = sampled_rows(tensor, file.tensors()[tensor]);
  rows.resize(std::min(rows.size(), kGroups));
  std::int64_t count = 0;
  const double seconds = seconds_of([&] {
    for (const auto& piece : rows) {
      auto values = read_piece_values(file, piece);
      Placement placement;
      placement.row = row;
      if (has_importance && format.block_type != nullptr) placement.importance = importance;
      round_values(format, values, placement);
      count += piece.elements;
    }
  });
  return seconds / static_cast<double>(std::max<std::int64_t>(1, count));
}

// Seconds to round weights, of one thread.
struct RoundingTimes {
  double sample = 0;   // the sampled rows of the matrices of the layers to each type
  double layers = 0;   // these matrices to the mean of the types
  double outside = 0;  // the others to the types that are measured there
  double file = 0;     // all to the mean of the types
  double parts = 0;
};

RoundingTimes time_rounding(const FilePlanRequest& request, const GgufModel& file) {
  std::vector<Format> types, outside;
  for (const auto& type : planned_types(request)) types.push_back(parse_format(type));
  for (const auto& type : types_measured_outside(planned_types(request))) outside.push_back(parse_format(type));
  // By the length of rows, and whether there are importances: seconds for a value of each type.
  std::map<std::pair<std::int64_t, bool>, std::vector<double>> known;
  RoundingTimes times;
  for (std::size_t t = 0; t < file.tensors().size(); ++t) {
    const auto& tensor = file.tensors()[t];
    const auto weight_class = class_of_weight(tensor.name, tensor.shape);
    if (tensor.shape.size() < 2 || tensor.elements == 0) continue;
    const bool is_in_layers = weight_class == WeightClass::matrix && !is_router(tensor.name);
    const bool is_outside = weight_class == WeightClass::embedding || weight_class == WeightClass::output;
    if (!is_in_layers && !is_outside) continue;
    const auto [found, is_new] = known.try_emplace({row_elements(tensor), is_in_layers});
    if (is_new) {
      for (const auto& type : types) found->second.push_back(seconds_for_value(file, t, type, is_in_layers));
    }
    std::int64_t sampled = 0;
    for (const auto& piece : sampled_rows(t, tensor)) sampled += piece.elements;
    double sum = 0, fitting = 0;
    for (const double seconds : found->second) {
      sum += seconds;
      fitting += seconds > 0 ? 1 : 0;
    }
    const double mean = static_cast<double>(tensor.elements) * sum / std::max(1.0, fitting);
    times.file += mean;
    if (is_in_layers) {
      times.layers += mean;
      times.sample += static_cast<double>(sampled) * sum;
      ++times.parts;
    } else {
      for (std::size_t i = 0; i < types.size(); ++i) {
        const bool is_measured = std::find(outside.begin(), outside.end(), types[i]) != outside.end();
        if (is_measured) times.outside += static_cast<double>(tensor.elements) * found->second[i];
      }
    }
  }
  return times;
}

}  // namespace

std::optional<FilePlanCost> foretell_file_plan(const FilePlanRequest& request) {
  if (std::filesystem::exists(study_path(request.folder))) return std::nullopt;
  const GgufModel file(request.model);
  const auto weights = weight_sites(file);
  const auto times = time_chunk(request, file);
  const auto rounding = time_rounding(request, file);
  const auto texts = static_cast<double>(request.texts.size());
  const double chunks = texts * request.chunks;

  const double evaluations = kVariantsOfPart * rounding.parts * chunks;
  const double of_evaluation = times.last + kLayersOfVariant * (times.whole - times.last);
  const double outside = static_cast<double>(planned_sites(weights, false).size()) *
                         static_cast<double>(types_measured_outside(planned_types(request)).size());
  const double mixes = request.refine;
  const double evaluating = std::min(times.chunks_in_text, kImportanceChunks) * times.importance +
                            kBaselines * chunks * times.whole + evaluations * of_evaluation +
                            chunks * (2 + outside) * times.whole + mixes * kRefineChunks * texts * times.whole;
  const double rounded = rounding.sample + kVariantsOfPart * rounding.layers + rounding.outside + rounding.file +
                         mixes * kChangedByMix * rounding.layers;

  std::uint64_t largest = 0;
  for (const auto& tensor : file.tensors()) {
    largest = std::max(largest, static_cast<std::uint64_t>(tensor.elements) * sizeof(float));
  }
  const auto baselines = times.kept_bytes *
                         static_cast<std::uint64_t>(request.refine > 0 ? kRefineChunks : request.chunks) *
                         request.texts.size();
  return FilePlanCost{evaluating + rounded / request.compute.threads,
                      file.size() * (request.refine > 0 ? 2 : 1) + 2 * largest + std::min(baselines, kMaxBaselines)};
}

}  // namespace fakequant
