// The same prompts and the same seed, continued by the baseline and by each variant; and where they part.
#pragma once

#include <string>
#include <vector>

#include "engine/sampler.h"
#include "measure/generation_result.h"
#include "measure/variant.h"

namespace fakequant {

struct GenerateOptions {
  int ctx_size = 0;     // 0: min(512, what the model was trained for)
  int max_tokens = 64;  // written after each prompt, at most; less where the context or the text ends
  int threads = 1;
  DeviceOptions devices;
  SamplerOptions sampler;
};

// Throws an Error when a prompt is empty or fills the context, or a model cannot be run.
GenerationResult generate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                          const std::vector<std::string>& prompts, const GenerateOptions& options,
                          const Progress& progress);

}  // namespace fakequant
