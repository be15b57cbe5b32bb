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

// Where two texts part: the tokens that came there, and how likely each model thought both. Probabilities in 0..1 are
// the model's own, the softmax of all its logits, before temperature and whatever else the sampler does; fed the text
// that both share.
struct PartingPlace {
  int position = 0;           // tokens written before, by both
  NamedToken baseline_token;  // the end-of-text token where the text ended there
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
  int tokens = 0;                       // that it wrote; the end of the text is none
  bool ended = false;                   // by itself, with an end-of-text token
  bool identical = false;               // token for token
  std::optional<int> first_difference;  // index of the first token that differs; none when identical
  std::optional<PartingPlace> parting;  // likewise
  std::size_t common_bytes = 0;         // of the text: what the tokens before that say
  int tokens_alike = 0;                 // places where both wrote the same token
  double agreement = 0;                 // tokens_alike over the longer text's tokens
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
  std::vector<std::string> notes;  // what was not done as asked, and why
};

}  // namespace fakequant
