// Picks the next token from logits with llama.cpp's samplers; the same seed picks the same tokens from the same logits.
#pragma once

#include <memory>
#include <span>

#include "engine/context.h"
#include "engine/sampler_options.h"

struct llama_sampler;

namespace fakequant {

class Sampler {
 public:
  // `prompt`: what the penalties know before the first token is picked.
  Sampler(const SamplerOptions& options, const Model& model, std::span<const Token> prompt);

  // The token picked from the logits that followed the token at `index` of the context's last evaluation.
  Token pick(const Context& context, std::size_t index);

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const;
  };
  void add(llama_sampler* sampler);

  std::unique_ptr<llama_sampler, Free> chain_;
};

}  // namespace fakequant
