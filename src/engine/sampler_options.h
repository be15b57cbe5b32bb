// How the next token is picked, with llama.cpp's names and meanings: plain data.
//
// The samplers work in the order of llama.cpp's own tools: penalties, top-k, typical-p, top-p, min-p, temperature,
// choice.
#pragma once

#include <cstdint>

namespace fakequant {

// llama.cpp takes the number above for "a random seed".
inline constexpr std::uint32_t kHighestSeed = 0xFFFFFFFE;

struct SamplerOptions {
  double temperature = 0;  // 0: the most likely token, after the penalties, always
  int top_k = 40;          // 0: all
  double typical_p = 1;    // 1: all
  double top_p = 0.95;     // 1: all
  double min_p = 0;        // a fraction of the most likely token's probability; 0: all
  std::uint32_t seed = 0;

  // Of tokens that were among the last `repeat_last_n`, the prompt's included. Logits are divided by the repeat
  // penalty where positive and multiplied where negative; the others are subtracted, frequency_penalty once for each
  // time the token came.
  double repeat_penalty = 1;     // 1: none
  double frequency_penalty = 0;  // 0: none
  double presence_penalty = 0;   // 0: none
  int repeat_last_n = 64;        // tokens
};

}  // namespace fakequant
