// The roles that nodes play inside attention, found from who reads whom, in any architecture.
//
// attention is softmax(mask + scale * K q) V. Where it is not fused, that is a product without a weight, a SOFT_MAX of
// its result, and a product that reads what that gives. Where it is fused (FLASH_ATTN_EXT), only the queries and the
// result are to be seen.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/graph.h"

namespace fakequant {

// By the index of the node in the graph: q, the queries as the product reads them; attn_scores, as the softmax reads
// them; attn_probs, what it gives; attn_result, the mean of the values.
std::map<int, std::vector<std::string>> find_attention_roles(const Graph& graph);

}  // namespace fakequant
