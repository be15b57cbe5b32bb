// Models that llama.cpp loads and fakequant does not measure: encoders, and models that fill in masked tokens.
//
// Their weights can be listed and rounded as any other's.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fakequant {

// Why the model of these files cannot be measured, whatever is asked: "a diffusion model, which does not predict the
// next token". None where it can be, and where it cannot be loaded at all.
std::optional<std::string> why_not_measured(const std::vector<std::string>& parts);

}  // namespace fakequant
