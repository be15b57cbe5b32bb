#include "plan/verify_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "error.h"
#include "measure/eval.h"
#include "measure/prepared_variants.h"
#include "study/study_storage.h"
#include "study/study_subject.h"

namespace fakequant {
namespace {

// A recipe to measure, and the field of the plan that receives its divergence.
struct Measurement {
  Recipe recipe;
  std::optional<Estimate>* kld;
};

// Throws if a range or importance file has changed since the study read it.
void check_files(const StudyDatabase& study, const std::vector<Measurement>& measurements) {
  std::map<std::string, std::string> hashes;  // by format
  for (const auto& [id, variant] : study.variants()) {
    if (!variant.files_sha256.empty()) hashes[variant.format] = variant.files_sha256;
  }
  for (const auto& measurement : measurements) {
    for (const auto& rule : measurement.recipe) {
      const auto known = hashes.find(format_text(rule));
      if (known != hashes.end() && files_hash(rule.format) != known->second) {
        throw Error(fmt::format("the file that {} reads has changed since the study was made", to_string(rule)));
      }
    }
  }
}

// The mean divergence over the chunks of the study.
Estimate divergence(const VariantResult& variant, const std::map<ChunkPosition, BaselineSums>& chunks) {
  double sum = 0;
  std::size_t count = 0;
  for (const auto& chunk : variant.chunks) {
    if (!chunks.contains({chunk.text, chunk.chunk})) continue;
    sum += chunk.figures.kld.value;
    ++count;
  }
  if (count == variant.chunks.size()) return variant.figures.kld;
  return {sum / static_cast<double>(count), variant.figures.kld.error};
}

std::vector<Measurement> measurements_of(PlanResult& plan) {
  std::vector<Measurement> measurements;
  if (plan.is_chosen) measurements.push_back({plan.recipe, &plan.verification->kld});
  for (auto& kind : plan.kinds) {
    for (auto* points : {&kind.front, &kind.uniform}) {
      for (auto& point : *points) {
        const bool is_wanted = points == &kind.uniform ? !kind.chosen_bits || point.bits <= *kind.chosen_bits
                                                       : point.is_shown && !plan.is_chosen;
        if (is_wanted && !point.recipe.empty()) measurements.push_back({point.recipe, &point.measured});
      }
    }
  }
  if (plan.uniform_pair) measurements.push_back({plan.uniform_pair->recipe, &plan.uniform_pair->measured});
  std::erase_if(measurements, [](const Measurement& measurement) { return measurement.recipe.empty(); });
  return measurements;
}

// Recipes for activations only share the model, so they form one group. Each recipe with weight rules is a group.
std::vector<std::vector<Measurement>> in_groups(const std::vector<Measurement>& measurements) {
  std::vector<std::vector<Measurement>> groups;
  std::vector<Measurement> activations_only;
  for (const auto& measurement : measurements) {
    if (rules_of_kind(measurement.recipe, SiteKind::weight).empty()) {
      activations_only.push_back(measurement);
    } else {
      groups.push_back({measurement});
    }
  }
  if (!activations_only.empty()) groups.push_back(std::move(activations_only));
  return groups;
}

}  // namespace

std::string verified_model(const StudySubject& subject, const VerifyRequest& request) {
  return request.model.empty() ? subject.model : request.model;
}

void check_verified(const StudyDatabase& study, const VerifyRequest& request, const GgufModel& model) {
  const auto subject = *study.subject();
  const auto& texts = request.texts;
  if (texts.size() != subject.texts.size()) {
    throw usage_error(
        fmt::format("the study is on {} texts, and {} are given: name all of them with -f, in their order",
                    subject.texts.size(), texts.size()));
  }
  const StudyShape shape{subject.layers, subject.ctx_size, subject.batch_size};
  study.check_subject(study_subject(model, texts, request.compute, shape), "name the study's own model and texts");
}

void verify_plan(const StudyDatabase& study, const VerifyRequest& request, PlanResult& plan) {
  const auto subject = *study.subject();
  const GgufModel model(verified_model(subject, request));
  const auto& texts = request.texts;
  check_verified(study, request, model);
  const auto chunks = study.baseline();
  auto& verification = plan.verification.emplace();
  verification.model = model.path();
  verification.texts = names_of(texts);
  verification.chunks = static_cast<int>(chunks.size());
  const auto measurements = measurements_of(plan);
  check_files(study, measurements);

  EvalOptions options;
  options.ctx_size = subject.ctx_size;
  options.compute = request.compute;
  options.compute.batch_size = subject.batch_size;
  options.is_stopped = request.is_stopped;
  for (const auto& [position, sums] : chunks) options.chunks = std::max(options.chunks, position.chunk + 1);
  std::size_t done = 0, passes = 0;
  const auto groups = in_groups(measurements);
  for (const auto& group : groups) passes += group.size() + 1;
  for (const auto& group : groups) {
    PreparedVariants prepared(model, storage_of_text(plan.storage), request.compute);
    for (std::size_t i = 0; i < group.size(); ++i) prepared.add(fmt::format("plan {}", i + 1), group[i].recipe);
    options.progress = [&](const EvalProgress& progress) {
      if (!request.progress) return;
      request.progress((static_cast<double>(done) + progress.done * static_cast<double>(group.size() + 1)) /
                       static_cast<double>(passes));
    };
    const auto measured = evaluate(model.paths(), prepared.variants(), texts, options);
    if (measured.is_interrupted) {
      plan.notes.emplace_back("Interrupted: not everything was measured.");
      return;
    }
    for (std::size_t i = 0; i < group.size(); ++i) *group[i].kld = divergence(measured.variants[i], chunks);
    done += group.size() + 1;
  }
  // The chosen plan of a single kind is also a point of its front.
  for (auto& kind : plan.kinds) {
    if (plan.kinds.size() > 1 || !plan.is_chosen) continue;
    for (auto& point : kind.front) {
      if (point.is_chosen) point.measured = verification.kld;
    }
  }
}

}  // namespace fakequant
