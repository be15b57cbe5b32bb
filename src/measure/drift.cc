#include "measure/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "engine/residual_stream.h"
#include "engine/site_sources.h"
#include "error.h"
#include "measure/score_statistics.h"
#include "measure/text_chunks.h"
#include "measure/worst_tokens.h"
#include "parallel.h"
#include "recipe/selector.h"

namespace fakequant {
namespace {

constexpr std::size_t kMinSliceTokens = 64;

std::vector<ChunkSlice> slices_of(std::size_t ctx_size) {
  const auto pieces = std::max<std::size_t>(1, ctx_size / kMinSliceTokens);
  std::vector<ChunkSlice> slices;
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    const auto begin = ctx_size * piece / pieces, end = ctx_size * (piece + 1) / pieces;
    slices.push_back({begin, end, {0, end - begin}});
  }
  return slices;
}

// Without what is written into the cache: that is what some node has, until it is rounded, and then the nodes that read
// the cache show it.
std::vector<ActivationSite> named_nodes(const Graph& graph, int layers) {
  auto sites = find_activation_sites(graph, layers);
  std::erase_if(sites, [](const ActivationSite& site) { return site.site.is_cache_write; });
  return sites;
}

// The comparable nodes of a graph: those that a rule can name, and unnamed nodes of the residual stream.
std::vector<ActivationSite> nodes_of(const Graph& graph, std::vector<ActivationSite> sites) {
  const auto unnamed = unnamed_nodes(find_residual_stream(graph), graph, sites);
  sites.insert(sites.end(), unnamed.begin(), unnamed.end());
  return sites;
}

// The graph of the baseline, and the nodes to compare.
struct Subject {
  std::vector<ActivationSite> sites;  // unnamed nodes of the residual stream come last
  std::vector<SiteSources> sources;
  std::vector<LayerStream> streams;
  std::vector<bool> is_listed;  // by site
  std::set<std::string> compared;

  std::vector<ActivationSite> choose(const Graph& graph, const std::vector<ActivationSite>& of_graph) const {
    auto nodes = nodes_of(graph, of_graph);
    std::erase_if(nodes, [&](const ActivationSite& node) { return !compared.contains(node.site.name); });
    return nodes;
  }

  // The index in `sites` of a node of the graph. Unset if the node is not a site.
  std::optional<std::size_t> index_of(int node) const {
    const auto found = std::find_if(sites.begin(), sites.end(), [&](const auto& site) { return site.node == node; });
    if (node < 0 || found == sites.end()) return std::nullopt;
    return static_cast<std::size_t>(found - sites.begin());
  }
};

std::vector<std::int64_t> shape_of(const ActivationSite& site) {
  std::vector<std::int64_t> shape(site.shape.begin(), site.shape.end());
  while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
  return shape;
}

// Chooses the nodes to compare: those that match the pattern, their inputs, the residual stream and the logits. Records
// in `result` the matching nodes that cannot be compared.
Subject choose_nodes(Context& baseline, Context& variant, const GraphShape& shape, const std::string& pattern,
                     DriftResult& result) {
  Subject subject;
  const auto& graph = baseline.graph(shape);
  const auto named = named_nodes(graph, baseline.model().layers());
  subject.sites = nodes_of(graph, named);
  subject.sources = find_site_sources(graph, named);
  subject.sources.resize(subject.sites.size());
  subject.streams = find_residual_stream(graph);
  std::set<std::string> wanted;
  for (std::size_t s = 0; s < subject.sites.size(); ++s) {
    const auto& site = subject.sites[s].site;
    subject.is_listed.push_back(s < named.size() && glob_match(pattern, site.name));
    if (site.is_logits) wanted.insert(site.name);
    if (!subject.is_listed[s]) continue;
    wanted.insert(site.name);
    for (const auto source : subject.sources[s].sites) wanted.insert(subject.sites[source].site.name);
  }
  if (std::find(subject.is_listed.begin(), subject.is_listed.end(), true) == subject.is_listed.end()) {
    throw usage_error(fmt::format("no node matches '{}': fakequant sites lists their names", pattern));
  }
  for (const auto& stream : subject.streams) {
    for (const int node : {stream.output, stream.attention, stream.ffn}) {
      if (const auto index = subject.index_of(node)) wanted.insert(subject.sites[*index].site.name);
    }
  }
  std::unordered_map<std::string, std::vector<std::int64_t>> of_variant;
  const auto& other_graph = variant.graph(shape);
  for (const auto& site : nodes_of(other_graph, named_nodes(other_graph, variant.model().layers()))) {
    of_variant[site.site.name] = shape_of(site);
    const bool is_in_both = std::any_of(subject.sites.begin(), subject.sites.end(),
                                        [&](const auto& other) { return other.site.name == site.site.name; });
    if (!is_in_both && glob_match(pattern, site.site.name)) result.only_in_variant.push_back(site.site.name);
  }
  for (std::size_t s = 0; s < subject.sites.size(); ++s) {
    const auto& name = subject.sites[s].site.name;
    const auto found = of_variant.find(name);
    const auto own_shape = shape_of(subject.sites[s]);
    if (found != of_variant.end() && found->second == own_shape) {
      if (wanted.contains(name)) subject.compared.insert(name);
    } else if (subject.is_listed[s] && found == of_variant.end()) {
      result.only_in_baseline.push_back(name);
    } else if (subject.is_listed[s]) {
      result.reshaped.push_back({name, own_shape, found->second});
    }
  }
  return subject;
}

// Which values of a node belong to which token. Unset if they cannot be told apart.
std::optional<TokenLayout> layout_of(const Context& context, const ActivationSite& site, const TokenBatch& batch) {
  auto dimension = context.token_dimension(site.site.name);
  if (dimension.kind == TokenDimension::mixed) {  // an unnamed node: a column of the residual stream for each token
    const auto tokens = static_cast<std::int64_t>(batch.positions.size());
    if (site.shape[1] != tokens || site.shape[2] != 1 || site.shape[3] != 1) return std::nullopt;
    dimension = {TokenDimension::found, 1, false, {}};
  }
  if (dimension.kind != TokenDimension::found) return std::nullopt;
  return token_layout(site.shape, dimension, batch);
}

// Keeps the values of the baseline for a slice, and compares those of the variant with them.
class Lockstep {
 public:
  explicit Lockstep(int threads) : threads_(threads) {}

  void keep(const ActivationSite& site, std::span<const float> values) {
    auto& kept = kept_[site.site.name];
    kept.values.assign(values.begin(), values.end());
    kept.is_new = true;
    bytes_ += values.size_bytes();
    max_bytes_ = std::max(max_bytes_, bytes_);
  }

  void compare(const ActivationSite& site, std::span<const float> values, std::int64_t columns,
               const std::optional<TokenLayout>& layout) {
    const auto& name = site.site.name;
    const auto kept = kept_.find(name);
    if (kept == kept_.end() || !kept->second.is_new || kept->second.values.size() != values.size()) {
      throw Error(fmt::format("{} has {} values in the variant and {} in the baseline: these models cannot be compared",
                              name, values.size(), kept == kept_.end() ? 0 : kept->second.values.size()));
    }
    const auto difference = difference_between(kept->second.values, values, columns, threads_);
    if (layout) token_errors_[name].add(kept->second.values, values, *layout, threads_);
    kept->second.is_new = false;
    bytes_ -= values.size_bytes();
    differences_[name].add(difference);
    const FirstNotFinite here{name, site.site.layer.value_or(-1), chunk_};
    if (difference.not_finite_baseline > 0 && !first_not_finite_baseline_) first_not_finite_baseline_ = here;
    if (difference.not_finite_variant > 0 && !first_not_finite_variant_) first_not_finite_variant_ = here;
  }

  // Discards kept values that the variant did not compute.
  void begin_slice(int chunk) {
    chunk_ = chunk;
    bytes_ = 0;
    for (auto& [name, kept] : kept_) kept.is_new = false;
  }

  // Null if the node was never compared.
  const NodeDifference* difference(const std::string& node) const {
    const auto found = differences_.find(node);
    return found == differences_.end() ? nullptr : &found->second;
  }

  // Unset for a node of which the values of tokens cannot be told apart.
  std::optional<TokenErrorFigures> token_errors(const std::string& node) const {
    const auto found = token_errors_.find(node);
    return found == token_errors_.end() ? std::nullopt : std::optional(found->second.figures());
  }

  std::uint64_t max_bytes() const { return max_bytes_; }
  const std::optional<FirstNotFinite>& first_not_finite_baseline() const { return first_not_finite_baseline_; }
  const std::optional<FirstNotFinite>& first_not_finite_variant() const { return first_not_finite_variant_; }

 private:
  struct Kept {
    std::vector<float> values;
    bool is_new = false;
  };
  int threads_;
  int chunk_ = 0;
  std::uint64_t bytes_ = 0, max_bytes_ = 0;
  std::unordered_map<std::string, Kept> kept_;  // by node; entries stay, to reuse their memory
  std::unordered_map<std::string, NodeDifference> differences_;
  std::unordered_map<std::string, TokenErrors> token_errors_;
  std::optional<FirstNotFinite> first_not_finite_baseline_, first_not_finite_variant_;
};

// Scores the same predictions as eval, in the same way.
class Scores {
 public:
  explicit Scores(std::size_t ctx_size, int threads) : shape_{ctx_size}, threads_(threads) {}

  void add_slice(const Context& baseline, const Context& variant, std::span<const Token> tokens,
                 const ChunkSlice& slice) {
    const auto first = std::max(slice.begin, shape_.first_scored());
    const auto end = std::min(slice.end, shape_.ctx_size - 1);
    if (first >= end) return;
    std::vector<std::span<const float>> of_baseline, of_variant;
    for (auto token = first; token < end; ++token) {
      of_baseline.push_back(baseline.logits(token - slice.begin));
      of_variant.push_back(variant.logits(token - slice.begin));
    }
    const auto before = scores_.size();
    scores_.resize(before + of_baseline.size());
    parallel_for(static_cast<std::int64_t>(of_baseline.size()), threads_, [&](std::int64_t i) {
      const auto index = static_cast<std::size_t>(i);
      scores_[before + index] =
          score_token(of_baseline[index], predict(of_baseline[index]), of_variant[index], tokens[first + index + 1]);
    });
  }

  void end_chunk(int chunk, std::span<const Token> tokens) {
    are_finite_ =
        are_finite_ && std::all_of(scores_.begin(), scores_.end(), [](const TokenScore& score) {
          return std::isfinite(score.kld) && std::isfinite(score.log_p_baseline) && std::isfinite(score.log_p_variant);
        });
    if (are_finite_) {
      statistics_.add(scores_);
      worst_.add(0, chunk, tokens, shape_.first_scored(), scores_);
      for (const auto& score : scores_) klds_.push_back(score.kld);
    }
    scores_.clear();
  }

  void report(const Model& model, DriftResult& result) const {
    if (!are_finite_) return;
    result.worst_tokens = worst_.in_words(model);
    result.predictions = static_cast<std::int64_t>(klds_.size());
    auto klds = klds_;
    std::sort(klds.begin(), klds.end(), std::greater<>());
    double left = statistics_.sums().kld.sum / 2;
    for (const double kld : klds) {
      if (left <= 0) break;
      left -= kld;
      ++result.half_in;
    }
    result.divergence = statistics_.figures();
    result.baseline_ppl = perplexity(statistics_.sums().nll_baseline, statistics_.sums().count);
  }

 private:
  ChunkShape shape_;
  int threads_;
  std::vector<TokenScore> scores_;  // of the chunk
  ScoreStatistics statistics_;
  WorstTokens worst_;
  std::vector<double> klds_;  // of all predictions
  bool are_finite_ = true;
};

// The drift of each compared node, by its index in Subject::sites.
std::vector<std::optional<NodeDrift>> follow_error(const Subject& subject, const Lockstep& lockstep,
                                                   const std::vector<SiteCounters>& counters,
                                                   const std::set<std::string>& changed_weights) {
  std::unordered_map<std::string, std::string> formats;
  for (const auto& site : counters) formats[site.site] = site.format;
  std::vector<std::optional<NodeDrift>> nodes;
  for (std::size_t s = 0; s < subject.sites.size(); ++s) {
    const auto& site = subject.sites[s];
    const auto* difference = lockstep.difference(site.site.name);
    auto& node = nodes.emplace_back();
    if (difference == nullptr) continue;
    node = NodeDrift{site.site.name,
                     site.site.layer.value_or(-1),
                     site.operation,
                     *difference,
                     lockstep.token_errors(site.site.name),
                     {},
                     {},
                     {},
                     {},
                     0,
                     {}};
    if (const auto format = formats.find(node->node); format != formats.end()) node->format = format->second;
    for (const auto& weight : subject.sources[s].weights) {
      if (changed_weights.contains(weight)) node->changed_weights.push_back(weight);
    }
    for (const auto source : subject.sources[s].sites) {
      const auto& name = subject.sites[source].site.name;
      node->made_of.push_back(name);
      const auto* of_source = lockstep.difference(name);
      if (of_source == nullptr || of_source->relative_harm() <= node->input_error) continue;
      node->input_error = of_source->relative_harm();
      node->largest_input = name;
    }
    node->role = role_of(difference->relative_harm(), node->input_error,
                         !node->format.empty() || !node->changed_weights.empty());
  }
  return nodes;
}

void add_to_layer(LayerDrift& layer, const NodeDrift& node) {
  ++layer.nodes;
  layer.all_nodes.add(node.difference);
  layer.entered += node.role == DriftRole::entered;
  layer.grown += node.role == DriftRole::grown;
  layer.died += node.role == DriftRole::died;
}

void add_nodes(const Subject& subject, const std::vector<std::optional<NodeDrift>>& nodes, DriftResult& result) {
  for (const auto& stream : subject.streams) {
    LayerDrift layer;
    layer.layer = stream.layer;
    const auto node_at = [&](int node) {
      const auto index = subject.index_of(node);
      return index ? nodes[*index] : std::nullopt;
    };
    layer.output = node_at(stream.output);
    layer.attention = node_at(stream.attention);
    layer.ffn = node_at(stream.ffn);
    result.layers.push_back(std::move(layer));
  }
  for (std::size_t s = 0; s < nodes.size(); ++s) {
    if (!nodes[s]) continue;
    if (subject.sites[s].site.is_logits) result.logits = nodes[s];
    if (!subject.is_listed[s]) continue;
    result.not_finite_baseline += nodes[s]->difference.not_finite_baseline;
    result.not_finite_variant += nodes[s]->difference.not_finite_variant;
    for (auto& layer : result.layers) {
      if (layer.layer == nodes[s]->layer) add_to_layer(layer, *nodes[s]);
    }
    result.nodes.push_back(*nodes[s]);
  }
}

}  // namespace

DriftRole role_of(double error, double before, bool is_changed_here) {
  if (error == 0) return before == 0 ? DriftRole::exact : DriftRole::died;
  if (is_changed_here || before == 0) return DriftRole::entered;
  if (std::isinf(before)) return std::isinf(error) ? DriftRole::carried : DriftRole::died;
  if (error >= kGrownBy * before) return DriftRole::grown;
  return error <= before / kGrownBy ? DriftRole::died : DriftRole::carried;
}

DriftResult measure_drift(const std::vector<std::string>& model_files, const Variant& variant, const Text& text,
                          const DriftOptions& options, const Progress& progress) {
  LoadedModels models(model_files, options.compute);
  return measure_drift(models, variant, text, options, progress);
}

DriftResult measure_drift(LoadedModels& models, const Variant& variant, const Text& text, const DriftOptions& options,
                          const Progress& progress) {
  const auto& model = models.baseline();
  const int ctx_size = choose_chunk_size(model, options.ctx_size);
  TextChunks chunks(model, text, ctx_size, options.chunks);
  const auto slices = slices_of(static_cast<std::size_t>(ctx_size));
  auto of_context = context_options(ctx_size, options.compute);
  for (const auto& slice : slices) {
    of_context.max_outputs = std::max(of_context.max_outputs, static_cast<int>(slice.size()));
  }
  Context baseline(model, of_context, {});
  const auto opened = models.open_tapped(variant, of_context);
  auto& changed = *opened;

  DriftResult result;
  result.model = model.path();
  result.text = text.name;
  result.recipe = variant.recipe;
  result.other_model = variant.other_model;
  result.pattern = options.nodes;
  result.threads = options.compute.threads;
  result.ctx_size = ctx_size;
  result.tokens_together = of_context.max_outputs;
  const GraphShape shape{slices.front().size(), slices.front().size()};
  const auto subject = choose_nodes(baseline, changed, shape, options.nodes, result);
  Lockstep lockstep(options.compute.threads);
  const auto choose = [&](const Graph& graph, const std::vector<ActivationSite>& sites) {
    return subject.choose(graph, sites);
  };
  baseline.show_values(choose, [&](const ActivationSite& site, std::span<const float> values, std::int64_t) {
    lockstep.keep(site, values);
  });
  TokenBatch batch;  // the slice that is evaluated, by positions in the chunk
  changed.show_values(choose, [&](const ActivationSite& site, std::span<const float> values, std::int64_t columns) {
    lockstep.compare(site, values, columns, layout_of(baseline, site, batch));
  });

  Scores scores(static_cast<std::size_t>(ctx_size), options.compute.threads);
  while (const auto tokens = chunks.next()) {
    result.windows.add(*tokens);
    const auto sequence = static_cast<std::uint32_t>(result.chunks);
    baseline.clear(sequence);
    changed.clear(sequence);
    for (const auto& slice : slices) {
      lockstep.begin_slice(result.chunks);
      batch.positions.resize(slice.size());
      std::iota(batch.positions.begin(), batch.positions.end(), slice.begin);
      const auto of_slice = std::span(*tokens).subspan(slice.begin, slice.size());
      baseline.evaluate(of_slice, slice.outputs);
      changed.evaluate(of_slice, slice.outputs);
      scores.add_slice(baseline, changed, *tokens, slice);
    }
    scores.end_chunk(result.chunks, *tokens);
    ++result.chunks;
    if (progress) progress(static_cast<double>(result.chunks) / chunks.expected());
  }
  result.tokens = static_cast<std::int64_t>(result.chunks) * ctx_size;
  result.kept_bytes = lockstep.max_bytes();
  result.first_not_finite_baseline = lockstep.first_not_finite_baseline();
  result.first_not_finite_variant = lockstep.first_not_finite_variant();
  scores.report(model, result);
  add_nodes(subject, follow_error(subject, lockstep, changed.counters(), options.changed_weights), result);
  return result;
}

}  // namespace fakequant
