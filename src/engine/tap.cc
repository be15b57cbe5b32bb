#include "engine/tap.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <string_view>
#include <utility>

#include "error.h"
#include "format/fake_quantize.h"
#include "parallel.h"

namespace fakequant {
namespace {

// Whether a node computes new float values; the others show or move those of another node.
bool computes_values(const ggml_tensor* node) {
  switch (node->op) {
    case GGML_OP_NONE:
    case GGML_OP_VIEW:
    case GGML_OP_RESHAPE:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE:
    case GGML_OP_CPY:
    case GGML_OP_SET_ROWS:
      return false;
    default:
      return node->type == GGML_TYPE_F32 && node->view_src == nullptr;
  }
}

// Whether llama.cpp gave the node its name. ggml numbers the others ("node_68"), differently for each graph.
bool is_named(const ggml_tensor* node) {
  const std::string_view name = node->name;
  return !name.empty() && !name.starts_with("node_");
}

// llama.cpp names a layer's nodes "word-N".
std::optional<int> layer_of_node(std::string_view name, int layers) {
  const auto dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  int layer = 0;
  const auto* end = name.data() + name.size();
  const auto [stop, fault] = std::from_chars(name.data() + dash + 1, end, layer);
  if (fault != std::errc{} || stop != end || layer < 0 || layer >= layers) return std::nullopt;
  return layer;
}

NodeShape shape_of(const ggml_tensor* node) { return {node->ne[0], node->ne[1], node->ne[2], node->ne[3]}; }

// The format with what is left out filled in for an activation.
Format for_activation(Format format) {
  if (format.family == Family::integer && !format.per) format.per = Span::token;
  return format;
}

// Whether rounding a row needs to know which token it belongs to.
bool asks_for_tokens(const Format& format) {
  return format.family == Family::nvfp4 || format.per == Span::token || format.rounding == Rounding::stochastic;
}

// Waking other threads costs more than rounding a few thousand values.
constexpr std::int64_t kWorthSharing = 1 << 15;

}  // namespace

bool Tap::callback(ggml_tensor* node, bool ask, void* tap) {
  auto& self = *static_cast<Tap*>(tap);
  // No exception may pass through llama.cpp: it is kept for finish_evaluation().
  try {
    if (ask) return self.error_ == nullptr && self.wants(node);
    self.round(node);
    return true;
  } catch (...) {
    self.error_ = std::current_exception();
    return false;
  }
}

void Tap::begin_discovery() {
  discovering_ = true;
  sites_.clear();
  nodes_of_name_.clear();
  shapes_.clear();
  targets_.clear();
}

void Tap::end_discovery(int layers) {
  discovering_ = false;
  layers_ = layers;
  for (auto& site : sites_) site.layer = layer_of_node(site.name, layers);
}

void Tap::note(const ggml_tensor* node) {
  if (!is_named(node) || !computes_values(node)) return;
  if (nodes_of_name_[node->name]++ == 0) sites_.push_back({node->name, std::nullopt});
  shapes_[node->name] = shape_of(node);  // the last of the name is the site
}

void Tap::set_recipe(const Recipe& recipe) {
  const auto winners = match_sites(recipe, SiteKind::activation, sites_, layers_);
  targets_.clear();
  for (std::size_t s = 0; s < sites_.size(); ++s) {
    if (!winners[s]) continue;
    const auto& site = sites_[s];
    Target target;
    const auto& format = recipe[*winners[s]].format;
    target.format = for_activation(format);
    target.shape_for_one_token = shapes_[site.name];
    target.random_key = random_key(format.seed, site.name);
    try {
      check_row(format, target.shape_for_one_token[0]);
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", site.name, error.what()), error.failure());
    }
    target.nodes_of_name = nodes_of_name_[site.name];
    target.counters.site = site.name;
    target.counters.layer = site.layer.value_or(-1);
    target.counters.format = to_string(format);
    targets_.emplace(site.name, std::move(target));
  }
}

bool Tap::wants(const ggml_tensor* node) {
  if (discovering_) {
    note(node);
    return false;
  }
  if (targets_.empty()) return false;
  const auto found = targets_.find(std::string_view(node->name));
  if (found == targets_.end() || !computes_values(node)) return false;
  auto& target = found->second;
  if (++target.met % target.nodes_of_name != 0) return false;
  wanted_ = &target;
  return true;
}

void Tap::round(ggml_tensor* node) {
  auto& target = *wanted_;
  if (target.counters.site != node->name) {
    throw Error(fmt::format("llama.cpp computed {} where {} was asked for: this version of llama.cpp is not understood",
                            node->name, target.counters.site));
  }
  if (!ggml_is_contiguous(node)) {
    throw Error(fmt::format("the values of {} do not lie together: this activation cannot be rounded", node->name));
  }
  const auto columns = node->ne[0], rows = ggml_nrows(node);
  ++target.counters.evaluations;
  target.counters.rows += rows;
  target.counters.columns = columns;
  target.computed += rows * columns;
  if (ggml_backend_buffer_is_host(node->buffer)) {
    round_values(target, static_cast<float*>(node->data), shape_of(node));
    return;
  }
  staging_.resize(static_cast<std::size_t>(rows * columns));
  ggml_backend_tensor_get(node, staging_.data(), 0, ggml_nbytes(node));
  round_values(target, staging_.data(), shape_of(node));
  ggml_backend_tensor_set(node, staging_.data(), 0, ggml_nbytes(node));
}

void Tap::round_values(Target& target, float* values, const NodeShape& shape) {
  try {
    if (asks_for_tokens(target.format)) {
      round_tokens(target, values, shape);
    } else {
      round_rows(target, values, shape);
    }
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", target.counters.site, error.what()), error.failure());
  }
}

void Tap::round_rows(Target& target, float* values, const NodeShape& shape) {
  // Each row's figures are its own, put together in the rows' order: neither threads nor batches change them.
  const auto columns = shape[0], rows = shape[1] * shape[2] * shape[3];
  if (columns == 0) return;
  std::vector<RoundingErrors> parts(static_cast<std::size_t>(rows));
  const int threads = rows * columns < kWorthSharing ? 1 : threads_;
  const std::int64_t rows_a_piece = std::max<std::int64_t>(1, kWorthSharing / 4 / columns);
  parallel_for((rows + rows_a_piece - 1) / rows_a_piece, threads, [&](std::int64_t piece) {
    const auto end = std::min(rows, (piece + 1) * rows_a_piece);
    for (auto row = piece * rows_a_piece; row < end; ++row) {
      parts[static_cast<std::size_t>(row)] =
          fake_quantize(target.format, {values + row * columns, static_cast<std::size_t>(columns)});
    }
  });
  for (const auto& part : parts) target.counters.errors.add(part);
}

void Tap::round_tokens(Target& target, float* values, const NodeShape& shape) {
  if (target.batch >= batches_.size()) {
    throw Error("it was computed more often than there were batches: this version of llama.cpp is not understood");
  }
  const auto layout = token_layout(shape, target.shape_for_one_token, batches_[target.batch++]);
  const auto values_of_token = layout.inner * layout.outer;
  if (values_of_token == 0) return;
  std::vector<RoundingErrors> parts(static_cast<std::size_t>(layout.tokens));
  const int threads = values_of_token * layout.tokens < kWorthSharing ? 1 : threads_;
  parallel_for(layout.tokens, threads, [&](std::int64_t token) {
    const auto t = static_cast<std::size_t>(token);
    Placement placement;
    placement.row = shape[0];
    placement.random = {target.random_key, layout.places[t]};
    float* const first = values + token * layout.inner;
    if (layout.outer == 1) {
      parts[t] = fake_quantize(target.format, {first, static_cast<std::size_t>(values_of_token)}, placement);
      return;
    }
    std::vector<float> together(static_cast<std::size_t>(values_of_token));
    const auto run = [&](std::int64_t o) { return first + o * layout.tokens * layout.inner; };
    for (std::int64_t o = 0; o < layout.outer; ++o) {
      std::copy_n(run(o), layout.inner, together.begin() + o * layout.inner);
    }
    parts[t] = fake_quantize(target.format, together, placement);
    for (std::int64_t o = 0; o < layout.outer; ++o) {
      std::copy_n(together.begin() + o * layout.inner, layout.inner, run(o));
    }
  });
  for (const auto& part : parts) target.counters.errors.add(part);
}

void Tap::begin_evaluation(std::vector<TokenBatch> batches) {
  batches_ = std::move(batches);
  for (auto& [name, target] : targets_) target.batch = 0;
}

void Tap::finish_evaluation() {
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  for (const auto& [name, target] : targets_) {
    const auto& counters = target.counters;
    if (target.met != counters.evaluations * target.nodes_of_name || counters.errors.elements != target.computed) {
      throw Error(fmt::format(
          "{} was met {} times with {} values, and {} values were rounded {} times: this version of llama.cpp is "
          "not understood",
          name, target.met, target.computed, counters.errors.elements, counters.evaluations));
    }
  }
}

std::vector<SiteCounters> Tap::counters() const {
  std::vector<SiteCounters> all;
  for (const auto& site : sites_) {
    if (const auto found = targets_.find(site.name); found != targets_.end()) all.push_back(found->second.counters);
  }
  return all;
}

}  // namespace fakequant
