#include "engine/reference_arithmetic.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/accumulated_product.h"
#include "engine/cached_product.h"
#include "engine/gelu.h"
#include "engine/integer_product.h"
#include "engine/named_sites.h"
#include "engine/tensor_rows.h"
#include "error.h"
#include "parallel.h"

namespace fakequant {
namespace {

// A node that is computed here, and not by llama.cpp. A graph may hold alternatives, of which llama.cpp flags one for
// computing: the others are not computed here either.
class ComputedNode : public NodeAction {
 public:
  void before(const NodeVisit& visit) final {
    flags_ = visit.tensor->flags;
    visit.tensor->flags &= ~GGML_TENSOR_FLAG_COMPUTE;
  }
  void after(const NodeVisit& visit) final {
    visit.tensor->flags = flags_;
    if ((flags_ & GGML_TENSOR_FLAG_COMPUTE) != 0) compute(*visit.tensor, visit.tokens);
  }

 private:
  virtual void compute(ggml_tensor& node, const TokenBatch& tokens) = 0;

  std::int32_t flags_ = 0;
};

std::byte* row_of(const ggml_tensor& tensor, std::int64_t second, std::int64_t third, std::int64_t fourth) {
  return static_cast<std::byte*>(tensor.data) + static_cast<std::size_t>(second) * tensor.nb[1] +
         static_cast<std::size_t>(third) * tensor.nb[2] + static_cast<std::size_t>(fourth) * tensor.nb[3];
}

float* floats_of(const ggml_tensor& tensor, std::int64_t second, std::int64_t third, std::int64_t fourth) {
  return reinterpret_cast<float*>(row_of(tensor, second, third, fourth));
}

void check_operand(const ggml_tensor& node, const ggml_tensor& operand) {
  if (const char* why = unreadable_because(operand)) {
    throw Error(fmt::format("{} cannot be computed in f32 arithmetic: {} {}", node.name, operand.name, why));
  }
}

// The inputs of a product in float32: where they are not, widened copies.
class Inputs {
 public:
  Inputs(const ggml_tensor& node, const ggml_tensor& tensor) : tensor_(tensor) {
    check_operand(node, tensor);
    if (tensor.type == GGML_TYPE_F32) return;
    widened_.resize(static_cast<std::size_t>(ggml_nelements(&tensor)));
    for (std::int64_t fourth = 0; fourth < tensor.ne[3]; ++fourth) {
      for (std::int64_t third = 0; third < tensor.ne[2]; ++third) {
        row_reader(tensor, third, fourth)(0, tensor.ne[1], widened_.data() + offset(0, third, fourth));
      }
    }
  }

  const float* row(std::int64_t second, std::int64_t third, std::int64_t fourth) const {
    return widened_.empty() ? floats_of(tensor_, second, third, fourth)
                            : widened_.data() + offset(second, third, fourth);
  }
  std::int64_t step() const { return widened_.empty() ? static_cast<std::int64_t>(tensor_.nb[0] / sizeof(float)) : 1; }

 private:
  std::int64_t offset(std::int64_t second, std::int64_t third, std::int64_t fourth) const {
    return ((fourth * tensor_.ne[2] + third) * tensor_.ne[1] + second) * tensor_.ne[0];
  }

  const ggml_tensor& tensor_;
  std::vector<float> widened_;
};

// The rows of a weight as it is to be read: changed, where it is streamed.
RowReader changed_row_reader(const ggml_tensor& weight, std::int64_t third, std::int64_t fourth,
                             const StreamedWeights& streamed) {
  auto reader = row_reader(weight, third, fourth);
  const auto changed = streamed.find(std::string_view(weight.name));
  if (changed == streamed.end()) return reader;
  const auto before = (fourth * weight.ne[2] + third) * weight.ne[1];  // rows of the matrices before this one
  return [reader = std::move(reader), before, length = weight.ne[0], &change = changed->second.change](
             std::int64_t first, std::int64_t count, float* scratch) {
    copy_rows(reader, first, count, length, scratch);
    change((before + first) * length, {scratch, static_cast<std::size_t>(count * length)});
    return FactorRows{scratch, length};
  };
}

// How products are computed: on so many threads, of weights that may be streamed, with sums in float32 or in an
// accumulator.
class Multiplication {
 public:
  Multiplication(int threads, std::shared_ptr<ProductMemory> memory, std::shared_ptr<const StreamedWeights> streamed,
                 std::optional<Accumulator> accumulator)
      : threads_(threads), memory_(std::move(memory)), streamed_(std::move(streamed)), accumulator_(accumulator) {}

  RowReader rows_of(const ggml_tensor& factor, std::int64_t third, std::int64_t fourth) const {
    return changed_row_reader(factor, third, fourth, *streamed_);
  }

  void operator()(const std::vector<MatrixProduct>& products, std::int64_t length, std::int64_t outputs) const {
    if (!accumulator_) {
      multiply(products, length, outputs, threads_, *memory_);
    } else if (const auto* sums = std::get_if<FloatAccumulator>(&*accumulator_)) {
      multiply_accumulated(products, length, outputs, *sums, threads_);
    } else {
      multiply_integers(products, length, outputs, std::get<IntegerAccumulator>(*accumulator_), threads_);
    }
  }

 private:
  int threads_;
  std::shared_ptr<ProductMemory> memory_;
  std::shared_ptr<const StreamedWeights> streamed_;
  std::optional<Accumulator> accumulator_;
};

// MUL_MAT: result[:, m, s] = factor[:, :, s / r] * input[:, m, s], where the input has r times as many matrices.
class Product : public ComputedNode {
 public:
  Product(Multiplication multiplication, std::shared_ptr<const FullCaches> full_caches)
      : multiplication_(std::move(multiplication)), full_caches_(std::move(full_caches)) {}

 private:
  void compute(ggml_tensor& node, const TokenBatch& tokens) override {
    const auto& factor = *node.src[0];
    check_operand(node, factor);
    const Inputs inputs(node, *node.src[1]);
    const auto products_with = [&](const ggml_tensor& other) { return products_of(node, other, inputs); };
    if (const auto* cache = full_caches_->of_factor(factor)) {
      return multiply_cached(factor, *cache, tokens, products_with, multiplication_);
    }
    multiplication_(products_with(factor), factor.ne[0], factor.ne[1]);
  }

  std::vector<MatrixProduct> products_of(const ggml_tensor& node, const ggml_tensor& factor, const Inputs& inputs) {
    const auto& input = *node.src[1];
    std::vector<MatrixProduct> products;
    for (std::int64_t fourth = 0; fourth < input.ne[3]; ++fourth) {
      for (std::int64_t third = 0; third < input.ne[2]; ++third) {
        auto& product = products.emplace_back();
        product.factor = multiplication_.rows_of(factor, third / (input.ne[2] / factor.ne[2]),
                                                 fourth / (input.ne[3] / factor.ne[3]));
        product.input_step = inputs.step();
        for (std::int64_t m = 0; m < input.ne[1]; ++m) {
          product.inputs.push_back(inputs.row(m, third, fourth));
          product.results.push_back(floats_of(node, m, third, fourth));
        }
      }
    }
    return products;
  }

  Multiplication multiplication_;
  std::shared_ptr<const FullCaches> full_caches_;
};

// MUL_MAT_ID: each token has the numbers of its experts; result[:, e, t] = factor[:, :, ids[e, t]] * input[:, e, t], or
// input[:, 0, t] where the experts share one.
class ExpertProduct : public ComputedNode {
 public:
  explicit ExpertProduct(Multiplication multiplication) : multiplication_(std::move(multiplication)) {}

 private:
  void compute(ggml_tensor& node, const TokenBatch&) override {
    const auto& factor = *node.src[0];
    const auto& ids = *node.src[2];
    check_operand(node, factor);
    const Inputs inputs(node, *node.src[1]);
    std::vector<MatrixProduct> products(static_cast<std::size_t>(factor.ne[2]));
    for (std::int64_t t = 0; t < ids.ne[1]; ++t) {
      for (std::int64_t e = 0; e < ids.ne[0]; ++e) {
        const auto expert =
            *reinterpret_cast<const std::int32_t*>(row_of(ids, t, 0, 0) + static_cast<std::size_t>(e) * ids.nb[0]);
        if (expert < 0 || expert >= factor.ne[2]) throw Error(fmt::format("{} names expert {}", ids.name, expert));
        auto& product = products[static_cast<std::size_t>(expert)];
        product.inputs.push_back(inputs.row(e % node.src[1]->ne[1], t, 0));
        product.results.push_back(floats_of(node, e, t, 0));
      }
    }
    std::vector<MatrixProduct> used;
    for (std::size_t expert = 0; expert < products.size(); ++expert) {
      if (products[expert].inputs.empty()) continue;
      used.push_back(std::move(products[expert]));
      used.back().factor = multiplication_.rows_of(factor, static_cast<std::int64_t>(expert), 0);
      used.back().input_step = inputs.step();
    }
    multiplication_(used, factor.ne[0], factor.ne[1]);
  }

  Multiplication multiplication_;
};

// GET_ROWS of a streamed weight: result[:, i] = weight[:, ids[i]].
class LookUp : public ComputedNode {
 public:
  explicit LookUp(std::shared_ptr<const StreamedWeights> streamed) : streamed_(std::move(streamed)) {}

 private:
  void compute(ggml_tensor& node, const TokenBatch&) override {
    const auto &weight = *node.src[0], &ids = *node.src[1];
    check_operand(node, weight);
    const auto reader = changed_row_reader(weight, 0, 0, *streamed_);
    for (std::int64_t i = 0; i < ids.ne[0]; ++i) {
      const auto id =
          *reinterpret_cast<const std::int32_t*>(row_of(ids, 0, 0, 0) + static_cast<std::size_t>(i) * ids.nb[0]);
      if (id < 0 || id >= weight.ne[1]) throw Error(fmt::format("{} names row {} of {}", ids.name, id, weight.name));
      copy_rows(reader, id, 1, weight.ne[0], floats_of(node, i, 0, 0));
    }
  }

  std::shared_ptr<const StreamedWeights> streamed_;
};

using Activation = void (*)(std::span<float>);

// UNARY with a GELU, or GLU: the GELU of one half of each row, or of the first source, times the other.
class Gelu : public ComputedNode {
 public:
  Gelu(int threads, Activation activation) : threads_(threads), activation_(activation) {}

 private:
  void compute(ggml_tensor& node, const TokenBatch&) override {
    const auto width = node.ne[0];
    const bool is_gated = node.op == GGML_OP_GLU;
    const auto *of = node.src[0], *gate = is_gated ? node.src[1] : nullptr;
    check_operand(node, *of);
    const bool is_swapped = is_gated && node.op_params[1] != 0;
    parallel_for(ggml_nrows(&node), threads_, [&](std::int64_t row) {
      const auto second = row % node.ne[1], third = row / node.ne[1] % node.ne[2],
                 fourth = row / node.ne[1] / node.ne[2];
      auto* result = floats_of(node, second, third, fourth);
      const float* x = floats_of(*of, second, third, fourth);
      const float* factor = nullptr;
      if (gate != nullptr) factor = floats_of(*gate, second, third, fourth);
      if (is_gated && gate == nullptr) {
        factor = is_swapped ? x : x + width;
        if (is_swapped) x += width;
      }
      // The result may lie where a source does.
      static thread_local std::vector<float> activated;
      activated.assign(x, x + width);
      activation_(activated);
      for (std::int64_t i = 0; i < width; ++i) {
        result[i] = factor == nullptr ? activated[static_cast<std::size_t>(i)]
                                      : activated[static_cast<std::size_t>(i)] * factor[i];
      }
    });
  }

  int threads_;
  Activation activation_;
};

Activation rounded_activation(const GraphNode& node) {
  if (node.op != GGML_OP_UNARY && node.op != GGML_OP_GLU) return nullptr;
  if (node.operation == "GELU" || node.operation == "GEGLU") return gelu;
  if (node.operation == "GELU_QUICK" || node.operation == "GEGLU_QUICK") return gelu_quick;
  return nullptr;
}

bool has_accumulator(const Recipe& recipe) {
  return std::any_of(recipe.begin(), recipe.end(), [](const Rule& rule) { return rule.accumulator.has_value(); });
}

bool has_reading_queries(const Recipe& recipe) {
  return std::any_of(recipe.begin(), recipe.end(),
                     [](const Rule& rule) { return depends_on_query(rule.cache_tokens); });
}

std::shared_ptr<NodeAction> product_at(const GraphNode& node, const Multiplication& multiplication,
                                       const std::shared_ptr<const FullCaches>& full_caches) {
  if (node.op == GGML_OP_MUL_MAT) return std::make_shared<Product>(multiplication, full_caches);
  if (node.op == GGML_OP_MUL_MAT_ID) return std::make_shared<ExpertProduct>(multiplication);
  return nullptr;
}

// Embeddings are looked up in one matrix, by one list of rows.
bool is_streamed_look_up(const GraphNode& node, const StreamedWeights& streamed) {
  return node.op == GGML_OP_GET_ROWS && streamed.contains(node.sources[0].weight) && node.shape[2] * node.shape[3] == 1;
}

}  // namespace

std::vector<std::string> ReferenceArithmetic::not_streamable(const Graph& graph) const {
  std::vector<std::string> names;
  for (const auto& node : graph) {
    const bool is_product = node.op == GGML_OP_MUL_MAT || node.op == GGML_OP_MUL_MAT_ID;
    for (std::size_t s = 0; s < node.sources.size(); ++s) {
      const auto& source = node.sources[s];
      if (!streamed_->contains(source.weight)) continue;
      const bool is_computed_here = s == 0 && !source.is_view && (is_product || is_streamed_look_up(node, *streamed_));
      if (!is_computed_here) names.push_back(source.weight);
    }
  }
  return names;
}

void ReferenceArithmetic::check(const Recipe& recipe) const {
  if (is_enabled_) return;
  if (has_accumulator(recipe)) {
    throw usage_error(
        "acc= needs f32 arithmetic: in native arithmetic llama.cpp keeps the sums of products as it does");
  }
  if (has_reading_queries(recipe)) {
    throw usage_error(
        "keep=recent: and per=channel need f32 arithmetic: in native arithmetic llama.cpp's own products read the "
        "cache, each token in one way");
  }
}

NodePlan ReferenceArithmetic::plan(const WatchedGraph& graph) const {
  NodePlan plan;
  if (!is_enabled_) return plan;
  std::map<std::size_t, Accumulator> accumulators;  // by node
  if (has_accumulator(recipe_)) {
    for (const auto& named : find_named_sites(recipe_, graph, watch_.layers())) {
      const auto& accumulator = recipe_[named.rule].accumulator;
      if (accumulator) accumulators.emplace(static_cast<std::size_t>(named.site->node), *accumulator);
    }
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& node = graph.nodes[i];
    if (node.type != GGML_TYPE_F32) continue;
    const auto found = accumulators.find(i);
    auto action = product_at(
        node, {threads_, memory_, streamed_, found == accumulators.end() ? std::nullopt : std::optional(found->second)},
        full_caches_);
    if (is_streamed_look_up(node, *streamed_)) action = std::make_shared<LookUp>(streamed_);
    if (const auto activation = rounded_activation(node)) action = std::make_shared<Gelu>(threads_, activation);
    if (!action) continue;
    plan.act_before(i, action);
    plan.act_after(i, action);
  }
  return plan;
}

}  // namespace fakequant
