#include "cli/file_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "cli/interruption.h"
#include "cli/options.h"
#include "error.h"
#include "gguf/output_file.h"
#include "gguf/tensor_type.h"
#include "measure/calibrate.h"
#include "measure/kept_baseline.h"
#include "measure/text_chunks.h"
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

constexpr int kImportanceChunks = 64;
// Of the sweep over the layers: passes for each part, so that one type of each part is measured on every chunk. A part
// takes half a pass in the middle: what is below a changed layer is not computed again.
constexpr double kPassesOfPart = 0.75;
constexpr int kRefineChunks = 10;  // of each text, so that what a mix gains on the chunks of the sweep is no chance
constexpr double kRoundedPerSecond = 6e6;  // values, by a thread: types take from 4 to 30 millions
constexpr std::uint64_t kMaxBaselines = std::uint64_t{1} << 30;  // bytes that are kept of the baseline's results
constexpr double kMorePasses = 10;                               // of the baseline, and to check predictions

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

std::string study_path(const std::string& folder) { return (fs::path(folder) / "study.db").string(); }

// A site for each kind of matrix of the layers, and one for each matrix outside of them.
std::vector<SitePattern> sites_of(const std::vector<Site>& weights, bool in_layers) {
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

// The matrices that the sweep over the layers rounds one by one.
double count_parts(const std::vector<Site>& weights) {
  return static_cast<double>(std::count_if(weights.begin(), weights.end(), [](const Site& site) {
    return class_of_weight(site.name, site.shape) == WeightClass::matrix && !is_router(site.name);
  }));
}

// Gives types the importance matrix with which they were measured at their sites.
void use_importances(const FilePlanRequest& request, PlanRequest& plan) {
  if (plan.keep.empty() && plan.at_least.empty()) return;
  const auto sites = sites_of(weight_sites(GgufModel(request.model)), true);
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
  const auto& types = request.types.empty() ? default_planned_types() : request.types;
  // The importance matrix has the weights of the layers. The others are few: all are measured.
  for (const bool in_layers : {true, false}) {
    sweep_request.question.sites = sites_of(weights, in_layers);
    if (sweep_request.question.sites.empty()) continue;
    sweep_request.predicts = in_layers;
    sweep_request.budget = in_layers ? kMorePasses + kPassesOfPart * count_parts(weights) : 0;
    sweep_request.question.formats.clear();
    for (const auto& type : types) {
      auto format = parse_format(type);
      if (in_layers && format.block_type != nullptr) format.importance_file = importance_path(request.folder);
      sweep_request.question.formats.push_back({std::move(format)});
    }
    if (fs::exists(study) && is_known(sweep_request)) continue;
    if (sweep(sweep_request).is_interrupted) {
      throw Error(
          fmt::format("interrupted: what was measured is in {}, and the same command goes on from there", study));
    }
  }
}

}  // namespace

const std::vector<std::string>& default_planned_types() {
  static const std::vector<std::string> types = {"iq3_s", "q3_k", "iq4_xs", "iq4_nl", "q4_k", "q4_1",
                                                 "q5_k",  "q5_0", "q5_1",   "q6_k",   "q8_0"};
  return types;
}

std::string importance_path(const std::string& folder) { return (fs::path(folder) / "imatrix.gguf").string(); }

std::optional<FilePlanCost> foretell_file_plan(const FilePlanRequest& request) {
  if (fs::exists(study_path(request.folder))) return std::nullopt;
  const GgufModel file(request.model);
  const auto weights = weight_sites(file);
  const Model model(file.paths(), request.compute.devices, request.compute.arithmetic);
  const auto plan = plan_chunks(model, request.ctx_size, request.compute);
  TextChunks text(model, text_file(request.texts.front()), request.ctx_size, 2);
  const auto tokens = *text.next();
  Context context(model, plan.context, {});
  const auto begin = std::chrono::steady_clock::now();
  const auto kept = keep_baseline(context, plan, {0, tokens});
  const double pass = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  const auto types = static_cast<double>((request.types.empty() ? default_planned_types() : request.types).size());
  const auto chunks = static_cast<double>(request.texts.size()) * request.chunks;
  const auto outside = static_cast<double>(sites_of(weights, false).size());
  const double passes = kImportanceChunks + chunks * (kMorePasses + kPassesOfPart * count_parts(weights)) +
                        chunks * (1 + outside * types) +
                        static_cast<double>(request.refine) * kRefineChunks * static_cast<double>(request.texts.size());
  double values = 0;
  std::uint64_t largest = 0;
  for (const auto& tensor : file.tensors()) {
    values += static_cast<double>(tensor.elements);
    largest = std::max(largest, static_cast<std::uint64_t>(tensor.elements) * sizeof(float));
  }
  const double rounding = values * types / kRoundedPerSecond / request.compute.threads;
  const auto baselines = kept.bytes() *
                         static_cast<std::uint64_t>(request.refine > 0 ? kRefineChunks : request.chunks) *
                         request.texts.size();
  return FilePlanCost{pass * passes + rounding,
                      file.size() * (request.refine > 0 ? 2 : 1) + 2 * largest + std::min(baselines, kMaxBaselines)};
}

PlanResult plan_file(const FilePlanRequest& request) {
  refuse_quantized(GgufModel(request.model));
  make_folder(request.folder);
  const Interruption interruption;
  collect_importances(request);
  const auto study = study_path(request.folder);
  measure_types(request, study);
  auto plan = request.plan;
  plan.study = study;
  use_importances(request, plan);
  const StudyDatabase measured(study, StudyAccess::read);
  if (request.refine == 0) return make_plan(measured, plan);
  VerifyRequest verification;
  verification.model = request.model;
  for (const auto& text : request.texts) verification.texts.push_back(text_file(text));
  verification.compute = request.compute;
  verification.is_stopped = Interruption::is_asked_for;
  verification.progress = [&](double done) { request.progress({"refine", done, ""}); };
  return refine_by_measuring(measured, plan, verification, request.refine, kRefineChunks);
}

}  // namespace fakequant
