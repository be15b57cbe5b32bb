// What `generate` measures: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fakequant {

struct GenerationVariant {
  std::string name;
  std::string recipe;
  std::string text;
  bool identical = false;               // token for token
  std::optional<int> first_difference;  // index of the first token that differs; none when identical
  double agreement = 0;         // fraction of places where both wrote the same token, over the longer of the two
  double forced_agreement = 0;  // fed the baseline's text: fraction of its tokens where both find the same most likely
};

struct PromptResult {
  std::string prompt;
  std::string baseline;
  std::vector<GenerationVariant> variants;
};

struct GenerationResult {
  std::string model;
  int threads = 0;
  int ctx_size = 0;
  int max_tokens = 0;
  double temperature = 0;
  std::uint32_t seed = 0;
  std::vector<PromptResult> prompts;
};

}  // namespace fakequant
