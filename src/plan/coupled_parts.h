// Parts that get one format, because a program fuses their weights or because they read the same input.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "plan/plan_costs.h"

namespace fakequant {

// Within a layer.
enum class Couple {
  qkv,      // attn_q, attn_k, attn_v
  gate_up,  // ffn_gate and ffn_up; those of the experts, and those of the shared expert, each pair by itself
  experts,  // all weights of the experts
};

// "qkv", "gate-up" or "experts". Throws a usage error for another text.
Couple parse_couple(const std::string& text);

// Sets of indices of parts, in the order of their first. Each part is in one of them, most by themselves. A part with
// tensors of several layers couples all of these.
std::vector<std::vector<std::size_t>> coupled_parts(const std::vector<PlanPart>& parts,
                                                    const std::vector<Couple>& couples);

}  // namespace fakequant
