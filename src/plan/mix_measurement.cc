#include "plan/mix_measurement.h"

#include <fmt/format.h>

#include <limits>
#include <memory>
#include <span>
#include <string>

#include "error.h"
#include "gguf/tensor_pieces.h"
#include "measure/prepared_variants.h"
#include "plan/refine_plan.h"
#include "study/study_storage.h"
#include "weights/quantize.h"

namespace fakequant {
namespace {

constexpr std::size_t kMaxKeptBytes = std::size_t{1} << 30;  // of baseline results

ComputeOptions compute_of(const StudySubject& subject, const VerifyRequest& request) {
  auto compute = request.compute;
  compute.batch_size = subject.batch_size;
  return compute;
}

}  // namespace

MixMeasurement::MixMeasurement(const StudyDatabase& study, const VerifyRequest& request, const std::string& storage,
                               int chunks)
    : request_(request),
      file_(verified_model(*study.subject(), request)),
      storage_(storage_of_text(storage)),
      model_(file_.paths(), request.compute.devices, request.compute.arithmetic),
      plan_(plan_chunks(model_, study.subject()->ctx_size, compute_of(*study.subject(), request))),
      baseline_(model_, plan_.context, {}) {
  check_verified(study, request, file_);
  if (request.by_kernels) {
    native_.emplace(file_.paths(), request.compute.devices, Arithmetic::native);
    native_context_ = plan_.context;
    native_context_.arithmetic = Arithmetic::native;
  }
  read_chunks(study, request.texts, chunks);
}

void MixMeasurement::read_chunks(const StudyDatabase& study, const std::vector<Text>& texts, int chunks) {
  const auto measured = study.baseline();
  for (std::size_t t = 0; t < texts.size(); ++t) {
    int last = chunks;
    for (const auto& [position, sums] : measured) {
      if (position.text == static_cast<int>(t)) last = std::max(last, position.chunk + 1);
    }
    if (last == 0) continue;
    TextChunks text(model_, texts[t], static_cast<int>(plan_.shape.ctx_size), last);
    for (int number = 0; auto tokens = text.next(); ++number) {
      if (number < chunks || measured.contains({static_cast<int>(t), number}))
        pieces_.push_back({{number, {}}, std::move(*tokens), {}});
    }
  }
  std::size_t bytes = 0;
  for (auto& piece : pieces_) {
    piece.chunk.tokens = piece.tokens;
    if (bytes > kMaxKeptBytes) continue;
    piece.baseline.emplace(keep_baseline(baseline_, plan_, piece.chunk));
    bytes += piece.baseline->bytes();
  }
}

std::optional<std::vector<double>> MixMeasurement::score(Context& variant, int unchanged) {
  std::vector<double> klds;
  for (const auto& piece : pieces_) {
    if (request_.is_stopped && request_.is_stopped()) return std::nullopt;
    const auto scored = [&](const KeptBaseline& baseline) { return score_chunk(variant, plan_, baseline, unchanged); };
    const auto result = piece.baseline ? scored(*piece.baseline) : scored(keep_baseline(baseline_, plan_, piece.chunk));
    if (result.overflow_token) throw Error("a mix overflows: leave out the formats that are too coarse");
    for (const auto& score : result.scores) klds.push_back(score.kld);
  }
  return klds;
}

std::optional<std::vector<double>> MixMeasurement::measure(const Recipe& recipe) {
  const auto weights = rules_of_kind(recipe, SiteKind::weight);
  const auto taps = rules_of_kind(recipe, SiteKind::activation);
  if (weights.empty()) {
    Context context(model_, plan_.context, taps);
    return score(context, std::numeric_limits<int>::max());
  }
  if (native_) return measure_by_kernels(weights, taps);
  const auto& compute = request_.compute;
  if (suitable_for(compute) != RoundedWeights::copied) {
    if (const auto rounding = rounding_in_place(file_, weights, storage_)) {
      ApplyResult rounded;
      weights_ = round_in_place(
          file_, rounding,
          {.threads = compute.threads, .memory = weight_memory_for(compute), .earlier = std::move(weights_)}, rounded);
      Context context(model_, plan_.context, taps, *weights_.weights);
      return score(context, 0);
    }
  }
  PreparedVariants prepared(file_, storage_, compute.threads, RoundedWeights::copied);
  prepared.add("plan", recipe);
  const Model copy(prepared.variants().front().model, compute.devices, compute.arithmetic);
  Context context(copy, plan_.context, taps);
  return score(context, 0);
}

std::optional<std::vector<double>> MixMeasurement::measure_by_kernels(const Recipe& weights, const Recipe& taps) {
  std::map<std::string, std::pair<std::string, ChangedWeight>> quantized;
  const auto room = [&](const QuantizedTensor& tensor, int type) -> std::span<std::byte> {
    const auto earlier = quantized_.find(tensor.name);
    if (earlier != quantized_.end() && earlier->second.first == tensor.format) {
      quantized[tensor.name] = earlier->second;
      return {};
    }
    const auto bytes = std::make_shared<TensorBytes>(stored_bytes(type, tensor.elements));
    quantized[tensor.name] = {
        tensor.format, ChangedWeight{.name = tensor.name, .type = type, .size = bytes->bytes().size(), .bytes = bytes}};
    return bytes->bytes();
  };
  quantize_in_memory(file_, weights, {}, room, request_.compute.threads);
  quantized_ = std::move(quantized);
  ChangedWeights changed;
  for (const auto& [name, weight] : quantized_) changed.push_back(weight.second);
  Context context(*native_, native_context_, taps, changed);
  return score(context, 0);
}

PlanResult refine_by_measuring(const StudyDatabase& study, const PlanRequest& plan, const VerifyRequest& request,
                               int tries, int chunks) {
  MixMeasurement measurement(study, request, plan_costs(study, plan.sites, plan.storage).storage, chunks);
  int measured = 0;
  auto result = refine_plan(study, plan, {tries, [&](const Recipe& recipe) {
                                            auto klds = measurement.measure(recipe);
                                            if (request.progress)
                                              request.progress(static_cast<double>(++measured) / (tries + 1));
                                            return klds;
                                          }});
  result.refinement->by_kernels = request.by_kernels;
  return result;
}

}  // namespace fakequant
