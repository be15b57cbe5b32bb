// The notation of a study for the storage of rounded quantized weights: "promote F16", "requantize", or empty.
#pragma once

#include <string>

#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

std::string storage_text(const ApplySettings& storage);

// The inverse of storage_text().
ApplySettings storage_of_text(const std::string& text);

// The SHA-256 of the ranges or the importance matrix that a format reads; empty if it reads neither.
std::string files_hash(const Format& format);

}  // namespace fakequant
