#include "engine/sampler.h"

#include <llama.h>

namespace fakequant {

void Sampler::Free::operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }

Sampler::Sampler(const SamplerOptions& options)
    : chain_(llama_sampler_chain_init(llama_sampler_chain_default_params())) {
  if (options.temperature <= 0) {
    llama_sampler_chain_add(chain_.get(), llama_sampler_init_greedy());
    return;
  }
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_top_k(options.top_k));
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_top_p(static_cast<float>(options.top_p), 1));
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_temp(static_cast<float>(options.temperature)));
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_dist(options.seed));
}

Token Sampler::pick(const Context& context, std::size_t index) {
  return llama_sampler_sample(chain_.get(), context.get(), static_cast<std::int32_t>(index));
}

}  // namespace fakequant
