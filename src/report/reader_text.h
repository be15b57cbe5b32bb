// Who reads a value, in words.
#pragma once

#include <string>
#include <vector>

#include "engine/activation_sites.h"
#include "report/json_file.h"

namespace fakequant {

// "attn_q, attn_k, ffn_inp (ADD)": products by their weight, other operations by their result; layers are left out.
std::string readers_text(const std::vector<Reader>& readers);

// The types to which the readers' kernels round the value themselves, "F16, Q8_K"; empty where none does; "?" where
// it is not known, F32 where one product rounds it and another does not.
std::string kernels_text(const std::vector<Reader>& readers);

// "node operation weight rounds_to" of each, null for what there is not.
Json readers_json(const std::vector<Reader>& readers);

// The types of kernels_text as a list.
Json kernels_json(const std::vector<Reader>& readers);

}  // namespace fakequant
