// The same prompts and the same seed, continued by the baseline and by each variant; and where they part.
//
// Two texts that part once stay apart: what follows says little about the rounding. So the position itself is looked at
// (how likely each model thought the two tokens that came), and both are fed the baseline's text and asked at each
// position for the most likely token.
#pragma once

#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "engine/sampler.h"
#include "measure/generation_result.h"
#include "measure/variant.h"

namespace fakequant {

struct GenerateOptions {
  int ctx_size = 0;     // tokens; 0: min(512, what the model was trained for)
  int max_tokens = 64;  // written after each prompt, at most; less where the context or the text ends
  bool chat = false;    // each prompt is a user's message in the model's own chat template
  std::string system;   // the system's message before it; empty for none
  ComputeOptions compute;
  SamplerOptions sampler;
};

// Throws an Error when a prompt is empty, is no text or fills the context, a chat is wanted of a model without a
// template that llama.cpp knows, a model cannot be run, or a logit of the baseline is not a number.
GenerationResult generate(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                          const std::vector<std::string>& prompts, const GenerateOptions& options,
                          const Progress& progress);

// The same with models that stay loaded. They lie on their own devices, whatever the options say.
GenerationResult generate(LoadedModels& models, const std::vector<Variant>& variants,
                          const std::vector<std::string>& prompts, const GenerateOptions& options,
                          const Progress& progress);

}  // namespace fakequant
