// Picks the next token from logits with llama.cpp's samplers; the same seed picks the same tokens from the same logits.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/context.h"

struct llama_sampler;

namespace fakequant {

// llama.cpp takes the number above for "a random seed".
inline constexpr std::uint32_t kHighestSeed = 0xFFFFFFFE;

struct SamplerOptions {
  double temperature = 0;  // 0: the most likely token, always
  int top_k = 40;
  double top_p = 0.95;
  std::uint32_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);

  // The token picked from the logits that followed the token at `index` of the context's last evaluation.
  Token pick(const Context& context, std::size_t index);

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const;
  };
  std::unique_ptr<llama_sampler, Free> chain_;
};

}  // namespace fakequant
