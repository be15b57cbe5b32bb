#include "cli/file_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/interruption.h"
#include "cli/options.h"
#include "error.h"
#include "gguf/output_file.h"
#include "gguf/tensor_type.h"
#include "measure/calibrate.h"
#include "measure/text_chunks.h"
#include "measure/token_stream.h"
#include "plan/mix_measurement.h"
#include "recipe/site.h"
#include "recipe/weight_class.h"
#include "report/calibration_report.h"
#include "study/study_database.h"
#include "sweep/sweep.h"
#include "weights/weight_sites.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

constexpr double kNoPasses = 1e-9;  // predicts from what was measured, and measures nothing
constexpr std::size_t kMeasuredOutside = 3;

void collect_importances(const FilePlanRequest& request) {
  const auto path = importance_path(request.folder);
  if (fs::exists(path)) return;
  const GgufModel model(request.model);
  OutputFile file(path);
  CalibrateOptions options{.ctx_size = request.ctx_size,
                           .chunks = kImportanceChunks,
                           .range = {},
                           .importance = true,
                           .compute = request.compute};
  const auto result = calibrate(model.paths(), {}, text_file(request.texts.front()), options, [&](double done) {
    request.progress({"importance matrix", done, ""});
  });
  write_text(file, importance_file(*result.importance));
  file.commit();
}

}  // namespace

std::vector<SitePattern> planned_sites(const std::vector<Site>& weights, bool in_layers) {
  std::set<std::string> words;
  for (const auto& site : weights) {
    const auto weight_class = class_of_weight(site.name, site.shape);
    const bool is_outside = weight_class == WeightClass::embedding || weight_class == WeightClass::output;
    const bool is_wanted = in_layers ? weight_class == WeightClass::matrix && !is_router(site.name) : is_outside;
    const auto word = weight_word(site.name, site.layer);
    if (is_wanted && site.shape.size() > 1 && !word.empty()) words.insert(word);
  }
  std::vector<SitePattern> sites;
  for (const auto& word : words) sites.push_back(parse_site_pattern("w:" + word));
  return sites;
}

std::vector<std::string> types_measured_outside(const std::vector<std::string>& types) {
  if (types.size() <= kMeasuredOutside) return types;
  const auto bits_of = [](const std::string& type) {
    const auto format = parse_format(type);
    return format.block_type == nullptr
               ? 32.0
               : 8.0 * static_cast<double>(format.block_type->bytes) / static_cast<double>(format.block_type->block);
  };
  // Without an importance matrix these are rounded to at once, and others by a search.
  static const std::vector<std::string> fast = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0"};
  std::vector<std::string> sorted;
  for (const auto& type : types) {
    if (std::find(fast.begin(), fast.end(), type) != fast.end()) sorted.push_back(type);
  }
  if (sorted.size() < kMeasuredOutside) sorted = types;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const std::string& a, const std::string& b) { return bits_of(a) < bits_of(b); });
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < kMeasuredOutside; ++i) {
    chosen.push_back(sorted[i * (sorted.size() - 1) / (kMeasuredOutside - 1)]);
  }
  return chosen;
}

const std::vector<std::string>& planned_types(const FilePlanRequest& request) {
  return request.types.empty() ? default_planned_types() : request.types;
}

namespace {

// Gives types the importance matrix with which they were measured at their sites.
void use_importances(const FilePlanRequest& request, PlanRequest& plan) {
  if (plan.keep.empty() && plan.at_least.empty()) return;
  const auto sites = planned_sites(weight_sites(GgufModel(request.model)), true);
  for (auto* formats : {&plan.keep, &plan.at_least}) {
    for (auto& kept : *formats) {
      if (!kept.format || kept.format->format.block_type == nullptr) continue;
      const auto site = to_string(in_all_layers(kept.site));
      const bool is_in_layers =
          std::any_of(sites.begin(), sites.end(), [&](const SitePattern& other) { return to_string(other) == site; });
      if (is_in_layers) kept.format->format.importance_file = importance_path(request.folder);
    }
  }
}

void refuse_quantized(const GgufModel& model) {
  for (const auto& tensor : model.tensors()) {
    if (!is_quantized(tensor.type)) continue;
    throw usage_error(fmt::format(
        "{} is quantized already: {} is stored as {}; types are chosen for the original, of F16, BF16 or F32",
        model.path(), tensor.name, type_name(tensor.type)));
  }
}

// Whether the study has all that the sweep would measure or predict. A sweep that predicts would probe further
// variants.
bool is_known(SweepRequest request) {
  request.dry_run = true;
  const auto found = sweep(request);
  int chunks = 0;
  for (const auto& text : found.texts) chunks += text.chunks;
  return std::all_of(found.variants.begin(), found.variants.end(), [&](const SweepVariant& variant) {
    return variant.chunks == chunks || variant.overflow || (variant.chunks == 0 && variant.predicted);
  });
}

void measure_types(const FilePlanRequest& request, const std::string& study) {
  const GgufModel model(request.model);
  const auto weights = weight_sites(model);
  SweepRequest sweep_request;
  sweep_request.model = request.model;
  sweep_request.study = study;
  for (const auto& text : request.texts) sweep_request.texts.push_back(text_file(text));
  sweep_request.compute = request.compute;
  sweep_request.ctx_size = request.ctx_size;
  sweep_request.chunks = request.chunks;
  sweep_request.question.by_layer = true;
  sweep_request.is_stopped = Interruption::is_asked_for;
  sweep_request.progress = [&](const SweepProgress& progress) {
    request.progress({"sweep", progress.done, progress.variant});
  };
  const auto measure = [&](const std::vector<std::string>& types, bool in_layers) {
    sweep_request.question.formats.clear();
    for (const auto& type : types) {
      auto format = parse_format(type);
      if (in_layers && format.block_type != nullptr) format.importance_file = importance_path(request.folder);
      sweep_request.question.formats.push_back({std::move(format)});
    }
    if (fs::exists(study) && is_known(sweep_request)) return;
    if (!sweep(sweep_request).is_interrupted) return;
    throw Error(fmt::format("interrupted: what was measured is in {}, and the same command goes on from there", study));
  };
  const auto& types = planned_types(request);
  sweep_request.question.sites = planned_sites(weights, true);
  if (!sweep_request.question.sites.empty()) {
    sweep_request.predicts = true;
    sweep_request.covers_parts = true;
    measure(types, true);
  }
  // The importance matrix has the weights of the layers only.
  sweep_request.question.sites = planned_sites(weights, false);
  if (sweep_request.question.sites.empty()) return;
  sweep_request.predicts = sweep_request.covers_parts = false;
  const auto measured = types_measured_outside(types);
  measure(measured, false);
  if (measured.size() == types.size()) return;
  sweep_request.predicts = true;
  sweep_request.budget = kNoPasses;
  measure(types, false);
}

constexpr std::size_t kCountedTokens = 1 << 14;  // of each text, to know how often they come

// The embeddings of the tokens, and what the rows lose that the measured chunks do not use.
std::vector<EmbeddingRows> weigh_embeddings(const FilePlanRequest& request) {
  const GgufModel file(request.model);
  const Model model(file.paths(), request.compute.devices, request.compute.arithmetic);
  TokenCounts measured, all;
  for (const auto& path : request.texts) {
    TextChunks chunks(model, text_file(path), request.ctx_size, request.chunks);
    while (const auto tokens = chunks.next()) {
      for (const auto token : *tokens) ++measured[token];
    }
    TokenStream text(model, text_file(path));
    for (std::size_t i = 0; i < kCountedTokens && text.has(1); ++i) ++all[text.take(1).front()];
  }
  std::vector<Format> types;
  for (const auto& type : planned_types(request)) types.push_back(parse_format(type));
  std::vector<EmbeddingRows> embeddings;
  for (std::size_t t = 0; t < file.tensors().size(); ++t) {
    const auto& tensor = file.tensors()[t];
    const bool has_row_for_token = tensor.shape.size() == 2 && tensor.shape[1] == model.vocabulary_size();
    if (!has_row_for_token || class_of_weight(tensor.name, tensor.shape) != WeightClass::embedding) continue;
    embeddings.push_back(weigh_rows(file, t, measured, all, types, request.compute.threads));
  }
  return embeddings;
}

}  // namespace

const std::vector<std::string>& default_planned_types() {
  static const std::vector<std::string> types = {"iq3_s", "q3_k", "iq4_xs", "iq4_nl", "q4_k", "q4_1",
                                                 "q5_k",  "q5_0", "q5_1",   "q6_k",   "q8_0"};
  return types;
}

std::string importance_path(const std::string& folder) { return (fs::path(folder) / "imatrix.gguf").string(); }

std::string study_path(const std::string& folder) { return (fs::path(folder) / "study.db").string(); }

FilePlan plan_file(const FilePlanRequest& request) {
  refuse_quantized(GgufModel(request.model));
  make_folder(request.folder);
  const Interruption interruption;
  collect_importances(request);
  const auto study = study_path(request.folder);
  measure_types(request, study);
  auto plan = request.plan;
  plan.study = study;
  use_importances(request, plan);
  FilePlan result;
  result.embeddings = weigh_embeddings(request);
  for (const auto& rows : result.embeddings) {
    plan.factors.insert(plan.factors.end(), rows.factors.begin(), rows.factors.end());
  }
  const StudyDatabase measured(study, StudyAccess::read);
  if (request.refine == 0) {
    result.plan = make_plan(measured, plan);
    return result;
  }
  VerifyRequest verification;
  verification.model = request.model;
  for (const auto& text : request.texts) verification.texts.push_back(text_file(text));
  verification.compute = request.compute;
  verification.by_kernels = request.by_kernels;
  verification.is_stopped = Interruption::is_asked_for;
  verification.progress = [&](double done) { request.progress({"refine", done, ""}); };
  result.plan = refine_by_measuring(measured, plan, verification, request.refine, kRefineChunks);
  return result;
}

}  // namespace fakequant
