#include "engine/sampler.h"

#include <llama.h>

namespace fakequant {

void Sampler::Free::operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }

Sampler::Sampler(const SamplerOptions& options, const Model& model, std::span<const Token> prompt)
    : chain_(llama_sampler_chain_init(llama_sampler_chain_default_params())) {
  const auto narrow = [](double value) { return static_cast<float>(value); };
  const bool has_penalties =
      options.repeat_penalty != 1 || options.frequency_penalty != 0 || options.presence_penalty != 0;
  if (has_penalties) {
    add(llama_sampler_init_penalties(model.vocabulary_size(), options.repeat_last_n, narrow(options.repeat_penalty),
                                     narrow(options.frequency_penalty), narrow(options.presence_penalty)));
  }
  if (options.temperature <= 0) {
    add(llama_sampler_init_greedy());
  } else {
    add(llama_sampler_init_top_k(options.top_k));
    add(llama_sampler_init_typical(narrow(options.typical_p), 1));
    add(llama_sampler_init_top_p(narrow(options.top_p), 1));
    add(llama_sampler_init_min_p(narrow(options.min_p), 1));
    add(llama_sampler_init_temp(narrow(options.temperature)));
    add(llama_sampler_init_dist(options.seed));
  }
  for (const auto token : prompt) llama_sampler_accept(chain_.get(), token);
}

void Sampler::add(llama_sampler* sampler) { llama_sampler_chain_add(chain_.get(), sampler); }

Token Sampler::pick(const Context& context, std::size_t index) {
  return llama_sampler_sample(chain_.get(), context.get(), static_cast<std::int32_t>(index));
}

}  // namespace fakequant
