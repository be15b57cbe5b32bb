#include "study/study_subject.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "engine/environment.h"
#include "gguf/model_hash.h"

namespace fakequant {

StudySubject study_subject(const GgufModel& model, const std::vector<Text>& texts, const ComputeOptions& compute,
                           const StudyShape& shape) {
  const auto environment = describe_environment(compute.threads, compute.devices);
  StudySubject subject;
  subject.model = model.path();
  subject.model_sha256 = sha256_of(model, Hashed::files);
  subject.model_size = model.size();
  subject.layers = shape.layers;
  subject.ctx_size = shape.ctx_size;
  subject.batch_size = shape.batch_size;
  subject.version = environment.version;
  subject.engine = environment.engine;
  subject.backends = fmt::format("{}", fmt::join(environment.backends, ", "));
  subject.arithmetic = to_string(compute.arithmetic);
  if (const auto cache = to_string(compute.attention, compute.arithmetic); !cache.empty())
    subject.backends += " with " + cache;
  for (const auto& text : texts) subject.texts.push_back({text.name, sha256_of_text(text)});
  return subject;
}

Arithmetic arithmetic_to_continue(const std::string& study) {
  std::error_code fault;
  if (study.empty() || !std::filesystem::exists(study, fault)) return Arithmetic::f32;
  try {
    const auto subject = StudyDatabase(study, StudyAccess::read).subject();
    return subject ? parse_arithmetic(subject->arithmetic) : Arithmetic::f32;
  } catch (const Error&) {  // what is wrong with it is said where it is written to
    return Arithmetic::f32;
  }
}

}  // namespace fakequant
