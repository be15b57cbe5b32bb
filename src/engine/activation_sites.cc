#include "engine/activation_sites.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/attention_roles.h"
#include "engine/kernel_input.h"
#include "gguf/gguf_file.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

bool is_product_with_weight(const GraphNode& node) {
  return (node.op == GGML_OP_MUL_MAT || node.op == GGML_OP_MUL_MAT_ID) && node.sources.size() > 1 &&
         !node.sources[0].weight.empty();
}

// The names that llama.cpp gave each node, itself or by a view of all its values.
std::vector<std::vector<std::string>> names_of_nodes(const Graph& graph) {
  std::vector<std::vector<std::string>> names(graph.size());
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const auto& node = graph[i];
    if (!is_given_name(node.name)) continue;
    if (node.computes) {
      names[i].push_back(node.name);
      continue;
    }
    if (node.shows < 0 || node.name.find(" (") != std::string::npos) continue;
    const auto root = static_cast<std::size_t>(node.shows);
    // A view of a node that has a name of its own is a name for a part of the work, not for the value.
    if (is_given_name(graph[root].name)) continue;
    if (std::find(names[root].begin(), names[root].end(), node.name) == names[root].end()) {
      names[root].push_back(node.name);
    }
  }
  return names;
}

// The node as a reader of its source of this number; without the weight that it may multiply by.
Reader reader_of(const GraphNode& node, std::size_t source) {
  Reader reader{node.name, node.operation, {}, {}, {}};
  if (const auto type = kernel_input_type(node, source)) reader.rounds_to = type_name(*type);
  return reader;
}

// Of each node that is a product with a weight, its number among those with the same weight, where there are several.
std::vector<std::optional<int>> occurrences_of_products(const Graph& graph) {
  std::map<std::string, std::vector<std::size_t>> products;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (is_product_with_weight(graph[i])) products[graph[i].sources[0].weight].push_back(i);
  }
  std::vector<std::optional<int>> occurrences(graph.size());
  for (const auto& [weight, nodes] : products) {
    if (nodes.size() < 2) continue;
    for (std::size_t n = 0; n < nodes.size(); ++n) occurrences[nodes[n]] = static_cast<int>(n);
  }
  return occurrences;
}

std::vector<std::vector<Reader>> readers_of_nodes(const Graph& graph,
                                                  const std::vector<std::optional<int>>& occurrences) {
  std::vector<std::vector<Reader>> readers(graph.size());
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const auto& node = graph[i];
    if (node.is_view) continue;
    std::set<int> seen;
    for (std::size_t s = 0; s < node.sources.size(); ++s) {
      const int source = node.sources[s].node;
      if (source < 0 || !seen.insert(source).second) continue;
      auto reader = reader_of(node, s);
      if (is_product_with_weight(node) && s == 1) {
        reader.weight = node.sources[0].weight;
        reader.occurrence = occurrences[i];
      }
      readers[static_cast<std::size_t>(source)].push_back(std::move(reader));
    }
  }
  return readers;
}

WeightName weight_of(const Reader& reader) {
  return {reader.weight, layer_of_tensor(reader.weight), reader.occurrence};
}

// The operations that read a layer's cache or state, but for those that change it in place.
std::vector<Reader> readers_of_cache(const Graph& graph, int memory) {
  std::vector<Reader> readers;
  for (const auto& node : graph) {
    if (node.is_view || node.memory == memory) continue;
    for (std::size_t s = 0; s < node.sources.size(); ++s) {
      if (node.sources[s].memory == memory) readers.push_back(reader_of(node, s));
    }
  }
  return readers;
}

std::string_view role_of(CacheWrite::Part part) {
  switch (part) {
    case CacheWrite::keys:
      return kKeyCacheRole;
    case CacheWrite::values:
      return kValueCacheRole;
    case CacheWrite::state:
      return kStateRole;
  }
  return {};
}

ActivationSite site_of_cache_write(const Graph& graph, std::size_t index, const CacheWrite& write) {
  const auto role = std::string(role_of(write.part));
  Site site;
  site.name = fmt::format("{}-{}", role, write.layer);
  site.layer = write.layer;
  site.roles = {role};
  site.is_cache_write = true;
  const auto& node = graph[index];
  return {std::move(site), static_cast<int>(index), write.shape,
          {write.shape},   node.operation,          readers_of_cache(graph, node.memory)};
}

// The shape of each node, and those of the views that reshape it.
std::vector<std::vector<NodeShape>> shapes_of_nodes(const Graph& graph) {
  std::vector<std::vector<NodeShape>> shapes(graph.size());
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (graph[i].computes) shapes[i].push_back(graph[i].shape);
    if (graph[i].keeps_order) shapes[static_cast<std::size_t>(graph[i].shows)].push_back(graph[i].shape);
  }
  return shapes;
}

// The node whose values are the logits: llama.cpp's result_output, or what is computed last.
std::size_t find_logits(const Graph& graph) {
  std::size_t last = graph.size();
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (graph[i].computes) last = i;
  }
  for (std::size_t i = graph.size(); i-- > 0;) {
    if (graph[i].computes && graph[i].name == "result_output") return i;
  }
  return last;
}

// The layer of a node whose name has none ("norm", of a head's query in many models): that of the weights with which
// its values are multiplied next, or that of the nodes before and after it that have a layer, where it is the same.
std::vector<std::optional<int>> layers_of_nodes(const Graph& graph, const std::vector<std::vector<std::string>>& names,
                                                int layer_count) {
  std::vector<std::optional<int>> layers(graph.size());
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (!names[i].empty()) layers[i] = layer_of_node(names[i].front(), layer_count);
  }
  // Of the weights that are read together with the node's values; -1 where they are of several layers.
  std::map<int, int> of_factors;
  for (const auto& node : graph) {
    for (const auto& weight : node.sources) {
      const auto layer = weight.weight.empty() ? std::nullopt : layer_of_tensor(weight.weight);
      if (!layer) continue;
      for (const auto& source : node.sources) {
        if (source.node < 0) continue;
        const auto [known, is_new] = of_factors.try_emplace(source.node, *layer);
        if (!is_new && known->second != *layer) known->second = -1;
      }
    }
  }
  auto found = layers;
  std::vector<std::optional<int>> next(graph.size());  // the layer of the next node that has one
  std::optional<int> near;
  for (std::size_t i = graph.size(); i-- > 0;) {
    next[i] = near;
    if (layers[i]) near = layers[i];
  }
  near.reset();
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (layers[i]) {
      near = layers[i];
      continue;
    }
    if (!near) continue;  // the embeddings
    const auto factor = of_factors.find(static_cast<int>(i));
    const auto layer = factor == of_factors.end() ? *near : factor->second;
    const bool is_next = next[i] == layer;
    if (factor == of_factors.end() ? is_next : is_next || near == layer) found[i] = layer;
  }
  return found;
}

}  // namespace

std::vector<ActivationSite> find_activation_sites(const Graph& graph, int layer_count) {
  const auto names = names_of_nodes(graph);
  const auto occurrences = occurrences_of_products(graph);
  auto readers = readers_of_nodes(graph, occurrences);
  auto shapes = shapes_of_nodes(graph);
  const auto logits = find_logits(graph);
  const auto layers = layers_of_nodes(graph, names, layer_count);
  std::map<std::string, int> count_of_name;
  for (const auto& of_node : names) {
    for (const auto& name : of_node) ++count_of_name[name];
  }
  const auto roles = find_attention_roles(graph);
  std::map<std::string, int> met, unnamed;
  // Of several sites that would have one name, those after the first have a number.
  const auto number = [&](std::string& name) {
    if (const int before = unnamed[name]++; before > 0) name += fmt::format("#{}", before);
  };
  std::vector<ActivationSite> sites;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const auto& node = graph[i];
    if (node.cache_write) {
      sites.push_back(site_of_cache_write(graph, i, *node.cache_write));
      number(sites.back().site.name);
    }
    if (!node.computes) continue;
    Site site;
    for (const auto& reader : readers[i]) {
      const auto weight = weight_of(reader);
      const bool is_new = std::find(site.feeds.begin(), site.feeds.end(), weight) == site.feeds.end();
      if (!weight.name.empty() && is_new) site.feeds.push_back(weight);
    }
    for (const auto& name : names[i]) {
      const int occurrence = met[name]++;
      site.node_names.push_back({name, occurrence, occurrence + 1 == count_of_name[name]});
    }
    if (is_product_with_weight(node)) {
      const auto& weight = node.sources[0].weight;
      site.product_of = WeightName{weight, layer_of_tensor(weight), occurrences[i]};
    }
    site.is_logits = i == logits;
    if (const auto found = roles.find(static_cast<int>(i)); found != roles.end()) site.roles = found->second;
    if (!site.node_names.empty()) {
      site.name = site.node_names.front().unique();
      site.layer = layers[i];
    } else if (!site.feeds.empty()) {
      const auto& weight = site.feeds.front();
      site.name = to_string(Selector{Selector::input_of, weight.name, weight.occurrence});
      site.layer = site.feeds.front().layer;
    } else if (site.is_logits) {
      site.name = kLogitsRole;
    } else if (site.product_of) {
      site.name = to_string(Selector{Selector::output_of, site.product_of->name, site.product_of->occurrence});
      site.layer = site.product_of->layer;
    } else if (!site.roles.empty()) {
      site.layer = layers[i];
      site.name = site.layer ? fmt::format("{}-{}", site.roles.front(), *site.layer) : site.roles.front();
      number(site.name);
    } else {
      continue;
    }
    sites.push_back({std::move(site), static_cast<int>(i), node.shape, std::move(shapes[i]), node.operation,
                     std::move(readers[i])});
  }
  return sites;
}

std::map<std::string, std::vector<Reader>> readers_of_weights(const Graph& graph) {
  std::map<std::string, std::vector<Reader>> readers;
  for (const auto& node : graph) {
    for (std::size_t s = 0; s < node.sources.size(); ++s) {
      const auto& weight = node.sources[s].weight;
      if (weight.empty()) continue;
      if (!node.is_view) readers[weight].push_back({node.name, node.operation, weight, {}});
    }
  }
  return readers;
}

std::vector<Reader> other_readers(const Rule& rule, const ActivationSite& site, int layer_count) {
  std::vector<Reader> others;
  if (rule.pattern.selector.form == Selector::output_of) return others;
  if (rule.pattern.selector.form == Selector::role && is_role_in_graph(rule.pattern.selector.text)) return others;
  if (rule.pattern.selector.form == Selector::name) {
    if (site.site.feeds.empty()) return others;
    std::copy_if(site.readers.begin(), site.readers.end(), std::back_inserter(others),
                 [](const Reader& reader) { return reader.weight.empty(); });
    return others;
  }
  std::copy_if(site.readers.begin(), site.readers.end(), std::back_inserter(others), [&](const Reader& reader) {
    return reader.weight.empty() || !selects_input_of(rule.pattern, weight_of(reader), layer_count);
  });
  return others;
}

}  // namespace fakequant
