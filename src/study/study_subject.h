// Describes the subject of a new study: the hashes of the model and the texts, and the compute backends.
#pragma once

#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "gguf/gguf_model.h"
#include "measure/text.h"
#include "study/study_database.h"

namespace fakequant {

// The shape of the evaluations that a study holds.
struct StudyShape {
  int layers = 0;
  int ctx_size = 0, batch_size = 0;  // tokens
};

// Reads the model and the texts to hash them. Throws an Error if one cannot be read.
StudySubject study_subject(const GgufModel& model, const std::vector<Text>& texts, const ComputeOptions& compute,
                           const StudyShape& shape);

// The arithmetic of a sweep for which none is asked: that of the study which it continues, or f32.
Arithmetic arithmetic_to_continue(const std::string& study);

}  // namespace fakequant
