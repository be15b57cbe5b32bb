// What became of quantized weights that a variant rounds, as a study writes it: "promote F16", "requantize", or
// nothing.
#pragma once

#include <string>

#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

std::string storage_text(const ApplySettings& storage);

// The settings that have this text.
ApplySettings storage_of_text(const std::string& text);

// The SHA-256 of the ranges or the importance matrix that a format reads; empty where it reads none.
std::string files_hash(const Format& format);

}  // namespace fakequant
