// What `generate` measures: plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampler_options.h"

namespace fakequant {

// A token with its text: a piece of a word, or a special token's name, "</s>". Not always whole characters.
struct NamedToken {
  std::int32_t id = 0;
  std::string text;
};

// The first difference of two texts: the two tokens, and the probability of both according to each model. A probability
// in 0..1 is the softmax of all logits, before temperature and other sampling steps, after the text that both share.
struct FirstDifference {
  int position = 0;           // number of equal tokens before it
  NamedToken baseline_token;  // the end-of-text token if the text ends here
  NamedToken variant_token;
  struct Probabilities {
    double of_baseline_token = 0;
    double of_variant_token = 0;
  };
  Probabilities baseline;  // the baseline's
  Probabilities variant;   // the variant's
};

struct GenerationVariant {
  std::string name;
  std::string recipe;
  std::string text;
  int tokens = 0;                                      // generated, without the end-of-text token
  bool ended = false;                                  // with an end-of-text token
  bool identical = false;                              // token for token
  std::optional<int> first_difference;                 // index of the first token that differs; unset if identical
  std::optional<FirstDifference> at_first_difference;  // likewise
  std::size_t common_bytes = 0;                        // bytes of the text before the first difference
  int tokens_alike = 0;                                // positions at which both have the same token
  double agreement = 0;                                // tokens_alike / the number of tokens of the longer text
  double forced_agreement = 0;  // fed the baseline's text: fraction of its places where both find the same most likely
};

struct PromptResult {
  std::string prompt;
  std::string baseline;
  std::vector<GenerationVariant> variants;
  std::string read;       // the prompt as the model read it, in its chat template; empty without a template
  int prompt_tokens = 0;  // that the model read
  int tokens = 0;         // that the baseline wrote
  bool ended = false;     // the baseline, by itself
  int forced_places = 0;  // the places of forced_agreement: a token each, and the end where the baseline ended
};

struct GenerationResult {
  std::string model;
  int threads = 0;
  int ctx_size = 0;
  int max_tokens = 0;
  bool chat = false;   // prompts went through the model's chat template, after
  std::string system;  // this system message
  SamplerOptions sampling;
  std::vector<PromptResult> prompts;
};

}  // namespace fakequant
