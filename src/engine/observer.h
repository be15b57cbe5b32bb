// Those who are shown values while the model runs. The spans are valid during the call only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/activation_sites.h"
#include "engine/graph.h"

namespace fakequant {

// Sees values of a site: whole rows of `columns`.
using Observer = std::function<void(const ActivationSite& site, std::span<const float> values, std::int64_t columns)>;

// Sees what rounding would make of the values of a site: whole rows of `columns`, as they are and as they would be.
// `rule` is the index of the rule by which they were rounded.
using CopyViewer = std::function<void(std::size_t rule, const ActivationSite& site, std::span<const float> before,
                                      std::span<const float> after, std::int64_t columns)>;

// Picks nodes of a graph, whose sites are given: some of these, or other nodes that compute, under names of its own.
using SiteChoice =
    std::function<std::vector<ActivationSite>(const Graph& graph, const std::vector<ActivationSite>& sites)>;

}  // namespace fakequant
