#include "study/merge_studies.h"

#include <fmt/format.h>

#include <filesystem>

#include "error.h"
#include "study/study_database.h"

namespace fakequant {
namespace {

void add_study(const StudyDatabase& study, StudyDatabase& output) {
  const auto baseline = study.baseline();
  const auto predictions = study.predictions();
  for (const auto& [id, variant] : study.variants()) {
    const auto added = output.add_variant(variant);
    output.set_sites(added, study.sites(id));
    for (const auto& [position, score] : study.scores(id)) {
      const auto chunk = baseline.find(position);
      if (chunk == baseline.end()) throw Error("a score has no chunk: the study is damaged");
      output.add_score(added, position, chunk->second, score);
    }
    if (variant.start) output.set_start(added, *variant.start);
    if (variant.overflow) output.set_overflow(added, *variant.overflow);
    if (const auto found = predictions.find(id); found != predictions.end()) {
      output.set_prediction(added, found->second);
    }
  }
}

}  // namespace

MergeResult merge_studies(const std::string& output, const std::vector<std::string>& studies) {
  for (const auto& path : studies) {
    std::error_code ignored;
    if (std::filesystem::equivalent(path, output, ignored)) {
      throw usage_error(fmt::format("{} is both the output and an input: name it once", path));
    }
    if (!StudyDatabase(path, StudyAccess::read).subject()) {
      throw Error(fmt::format("{} is empty: it holds no study", path));
    }
  }
  MergeResult result;
  result.study = output;
  result.merged = studies;
  StudyDatabase united(output, StudyAccess::write);
  united.transaction([&] {
    for (const auto& path : studies) {
      about(path, [&] {
        const StudyDatabase study(path, StudyAccess::read);
        united.set_subject(*study.subject());
        add_study(study, united);
      });
    }
  });
  const auto subject = united.subject();
  result.model = subject->model;
  for (const auto& text : subject->texts) result.texts.push_back(text.name);
  for (const auto& [id, variant] : united.variants()) {
    ++result.variants;
    result.scores += static_cast<std::int64_t>(united.scores(id).size());
  }
  return result;
}

}  // namespace fakequant
