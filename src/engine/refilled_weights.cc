#include "engine/refilled_weights.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/packed_weights.h"
#include "error.h"
#include "parallel.h"

namespace fakequant {
namespace {

constexpr std::int64_t kValuesTogether = 1 << 14;  // of rows that a thread rounds at once: they stay in its cache

ggml_tensor* whole_of(ggml_tensor* tensor) {
  while (tensor->view_src != nullptr) tensor = tensor->view_src;
  return tensor;
}

// The rows that a look-up reads: a list that is an input of the graph, and so there before anything is computed. Empty
// for other operations.
std::vector<std::int64_t> rows_read(const ggml_tensor& node, const ggml_tensor& weight) {
  std::vector<std::int64_t> rows;
  const auto* ids = node.src[1];
  if (node.op != GGML_OP_GET_ROWS || node.src[0] != &weight || ggml_n_dims(&weight) > 2) return rows;
  const bool is_input = ids->op == GGML_OP_NONE && ids->view_src == nullptr && ids->type == GGML_TYPE_I32 &&
                        ids->buffer != nullptr && ggml_backend_buffer_is_host(ids->buffer) && ggml_is_contiguous(ids);
  if (!is_input) return rows;
  const auto* numbers = static_cast<const std::int32_t*>(ids->data);
  const std::set<std::int64_t> different(numbers, numbers + ggml_nelements(ids));
  for (const auto row : different) {
    if (row < 0 || row >= weight.ne[1]) return {};
    rows.push_back(row);
  }
  return rows;
}

class Refill : public NodeAction {
 public:
  Refill(RefilledWeights& weights, std::size_t source) : weights_(weights), source_(source) {}

  void before(const NodeVisit& visit) override {
    if ((visit.tensor->flags & GGML_TENSOR_FLAG_COMPUTE) == 0) return;
    auto* weight = whole_of(visit.tensor->src[source_]);
    const auto rows = rows_read(*visit.tensor, *weight);
    weights_.refill(*weight, rows.empty() ? nullptr : &rows);
  }

  // Nothing; but what is computed next may need the memory, so llama.cpp has to compute this node by itself.
  void after(const NodeVisit&) override {}

 private:
  RefilledWeights& weights_;
  std::size_t source_;
};

}  // namespace

RefilledWeights::~RefilledWeights() {
  swaps_.remove();
  for (const auto& [type, buffer] : memory_) ggml_backend_buffer_free(buffer);
}

void RefilledWeights::add(const ChangedWeight& weight, const ModelTensors& tensors) {
  const auto found = tensors.find(weight.name);
  if (found == tensors.end()) return;
  const auto& kept = weights_.insert_or_assign(weight.name, weight).first->second;
  for (const auto& [tensor, may_be_packed] : found->second) {
    auto* type = buffer_type_for(*tensor, weight.type, may_be_packed);
    if (!lies_as_in_file(type, weight.type)) {
      elsewhere_.push_back(weight.name);
      continue;
    }
    by_tensor_[tensor] = &kept;
    tensors_.emplace_back(tensor, type);
  }
}

void RefilledWeights::install() {
  if (!tensors_.empty()) find_memory();
  swaps_.install();
}

// One buffer for each type of buffer, of the size of the largest tensor in it.
void RefilledWeights::find_memory() {
  std::map<ggml_backend_buffer_type*, std::size_t> sizes;
  for (const auto& [tensor, type] : tensors_) {
    const auto changed = as_type(*tensor, by_tensor_.at(tensor)->type);
    auto& size = sizes[type];
    size = std::max(size, ggml_backend_buft_get_alloc_size(type, &changed));
  }
  for (const auto& [type, size] : sizes) {
    auto* buffer = ggml_backend_buft_alloc_buffer(type, size);
    if (buffer == nullptr) throw Error(fmt::format("there is no memory of {} bytes for a rounded weight", size));
    memory_[type] = buffer;
    ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  }
  for (const auto& [tensor, type] : std::exchange(tensors_, {})) {
    auto changed = as_type(*tensor, by_tensor_.at(tensor)->type);
    put_into(memory_.at(type), changed);
    swaps_.add(*tensor, changed);
  }
}

std::vector<std::string> RefilledWeights::not_streamable(const Graph& graph) const {
  auto names = elsewhere_;
  for (const auto& node : graph) {
    const std::string* first = nullptr;
    for (const auto& source : node.sources) {
      if (!weights_.contains(source.weight)) continue;
      if (first != nullptr && *first != source.weight) names.push_back(source.weight);
      first = &source.weight;
    }
  }
  return names;
}

NodePlan RefilledWeights::plan(const WatchedGraph& graph) {
  NodePlan plan;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& node = graph.nodes[i];
    if (node.is_view) continue;
    const auto source = std::find_if(node.sources.begin(), node.sources.end(),
                                     [&](const GraphSource& read) { return weights_.contains(read.weight); });
    if (source == node.sources.end()) continue;
    const auto action = std::make_shared<Refill>(*this, static_cast<std::size_t>(source - node.sources.begin()));
    plan.act_before(i, action);
    plan.act_after(i, action);
  }
  return plan;
}

void RefilledWeights::refill(ggml_tensor& tensor, const std::vector<std::int64_t>* rows) {
  const auto& weight = *by_tensor_.at(&tensor);
  const auto row_bytes = ggml_row_size(tensor.type, tensor.ne[0]);
  const auto fill = [&](std::int64_t row, std::int64_t count) {
    auto* to = static_cast<std::byte*>(tensor.data) + static_cast<std::size_t>(row) * row_bytes;
    weight.fill(row * tensor.ne[0], {to, static_cast<std::size_t>(count) * row_bytes});
  };
  if (rows != nullptr) {
    parallel_for(static_cast<std::int64_t>(rows->size()), threads_,
                 [&](std::int64_t i) { fill((*rows)[static_cast<std::size_t>(i)], 1); });
    return;
  }
  const auto all = ggml_nrows(&tensor), together = std::max<std::int64_t>(1, kValuesTogether / tensor.ne[0]);
  parallel_for((all + together - 1) / together, threads_,
               [&](std::int64_t i) { fill(i * together, std::min(together, all - i * together)); });
}

}  // namespace fakequant
