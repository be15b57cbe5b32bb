// The readers of a value, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "engine/activation_sites.h"
#include "report/json_file.h"

namespace fakequant {

// "attn_q, attn_k, ffn_inp (ADD)": products by their weight, other operations by their result; layers are left out.
std::string readers_text(const std::vector<Reader>& readers);

// The types to which the kernels of the readers round the value, "F16, Q8_K"; empty if none rounds it; "?" if that is
// not known, F32 if one product rounds it and another does not.
std::string kernels_text(const std::vector<Reader>& readers);

// The fields node, operation, weight and rounds_to of each reader; null if there is none.
Json readers_json(const std::vector<Reader>& readers);

// The types of kernels_text as a list.
Json kernels_json(const std::vector<Reader>& readers);

}  // namespace fakequant
