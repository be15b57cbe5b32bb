#include "plan/verify_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "error.h"
#include "gguf/gguf_model.h"
#include "measure/eval.h"
#include "measure/prepared_variants.h"
#include "study/study_storage.h"
#include "study/study_subject.h"

namespace fakequant {
namespace {

// A recipe, and where what it diverges is written.
struct Work {
  Recipe recipe;
  std::optional<Estimate>* measured;
};

// Ranges and importance matrices are those that the study's variants read.
void check_files(const StudyDatabase& study, const std::vector<Work>& works) {
  std::map<std::string, std::string> hashes;  // by format
  for (const auto& [id, variant] : study.variants()) {
    if (!variant.files_sha256.empty()) hashes[variant.format] = variant.files_sha256;
  }
  for (const auto& work : works) {
    for (const auto& rule : work.recipe) {
      const auto known = hashes.find(to_string(rule.format));
      if (known != hashes.end() && files_hash(rule.format) != known->second) {
        throw Error(
            fmt::format("the file that {} reads is not the one of the study: it has changed since", to_string(rule)));
      }
    }
  }
}

// Mean divergences over the study's chunks: of all that were measured where there are no others.
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

std::vector<Work> works_of(PlanResult& plan) {
  std::vector<Work> works;
  if (plan.is_chosen) works.push_back({plan.recipe, &plan.verification->kld});
  for (auto& kind : plan.kinds) {
    for (auto* points : {&kind.front, &kind.uniform}) {
      for (auto& point : *points) {
        const bool is_wanted = points == &kind.uniform ? !kind.chosen_bits || point.bits <= *kind.chosen_bits
                                                       : point.is_shown && !plan.is_chosen;
        if (is_wanted && !point.recipe.empty()) works.push_back({point.recipe, &point.measured});
      }
    }
  }
  if (plan.uniform_pair) works.push_back({plan.uniform_pair->recipe, &plan.uniform_pair->measured});
  std::erase_if(works, [](const Work& work) { return work.recipe.empty(); });
  return works;
}

// All recipes for activations in one go, as they share the model; each with weights in one of its own.
std::vector<std::vector<Work>> in_groups(const std::vector<Work>& works) {
  std::vector<std::vector<Work>> groups;
  std::vector<Work> taps;
  for (const auto& work : works) {
    if (rules_of_kind(work.recipe, SiteKind::weight).empty()) {
      taps.push_back(work);
    } else {
      groups.push_back({work});
    }
  }
  if (!taps.empty()) groups.push_back(std::move(taps));
  return groups;
}

}  // namespace

std::string verified_model(const StudySubject& subject, const VerifyRequest& request) {
  return request.model.empty() ? subject.model : request.model;
}

void verify_plan(const StudyDatabase& study, const VerifyRequest& request, PlanResult& plan) {
  const auto subject = *study.subject();
  const GgufModel model(verified_model(subject, request));
  const auto& texts = request.texts;
  if (texts.size() != subject.texts.size()) {
    throw usage_error(
        fmt::format("the study is on {} texts, and {} are given: name all of them with -f, in their order",
                    subject.texts.size(), texts.size()));
  }
  const StudyShape shape{subject.layers, subject.ctx_size, subject.batch_size};
  study.check_subject(study_subject(model, texts, request.compute, shape), "name the study's own model and texts");
  const auto chunks = study.baseline();
  auto& verification = plan.verification.emplace();
  verification.model = model.path();
  verification.texts = names_of(texts);
  verification.chunks = static_cast<int>(chunks.size());
  const auto works = works_of(plan);
  check_files(study, works);

  EvalOptions options;
  options.ctx_size = subject.ctx_size;
  options.compute = request.compute;
  options.compute.batch_size = subject.batch_size;
  options.is_stopped = request.is_stopped;
  for (const auto& [place, sums] : chunks) options.chunks = std::max(options.chunks, place.chunk + 1);
  std::size_t done = 0, passes = 0;
  const auto groups = in_groups(works);
  for (const auto& group : groups) passes += group.size() + 1;
  for (const auto& group : groups) {
    PreparedVariants prepared(model, storage_of_text(plan.storage), request.compute.threads);
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
    for (std::size_t i = 0; i < group.size(); ++i) *group[i].measured = divergence(measured.variants[i], chunks);
    done += group.size() + 1;
  }
  // What was chosen is a point of its front, too.
  for (auto& kind : plan.kinds) {
    if (plan.kinds.size() > 1 || !plan.is_chosen) continue;
    for (auto& point : kind.front) {
      if (point.is_chosen) point.measured = verification.kld;
    }
  }
}

}  // namespace fakequant
