#include "engine/graph.h"

#include <llama.h>

#include <string_view>
#include <utility>

#include "engine/packed_weights.h"

namespace fakequant {
namespace {

// Views of other values, and copies and casts of them (copies into the cache have its memory as theirs).
bool shows_other_values(int op, bool is_in_place) {
  switch (op) {
    case GGML_OP_VIEW:
    case GGML_OP_RESHAPE:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE:
      return true;
    case GGML_OP_CPY:
      return !is_in_place;
    default:
      return false;
  }
}

bool is_weight(const ggml_tensor* tensor) {
  return tensor->op == GGML_OP_NONE && tensor->buffer != nullptr &&
         ggml_backend_buffer_get_usage(tensor->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
}

// Whether a name was longer than ggml's names can be.
bool is_cut(std::string_view name) { return name.size() + 1 >= GGML_MAX_NAME; }

// The name of what was copied to another device, or its beginning where ggml had to cut it: the scheduler calls the
// copy of x on RPC0 "RPC0#x#0". Empty for what is no copy.
std::string_view name_of_original(std::string_view name) {
  const auto begin = name.find('#');
  if (begin == std::string_view::npos) return {};
  name.remove_prefix(begin + 1);
  return name.substr(0, name.rfind('#'));
}

}  // namespace

bool is_given_name(const std::string& name) {
  return !name.empty() && !name.starts_with("node_") && !name.starts_with(" (");
}

int GraphRecorder::root_of(const ggml_tensor* tensor) const {
  while (tensor->view_src != nullptr && !index_.contains(tensor)) tensor = tensor->view_src;
  if (const auto found = index_.find(tensor); found != index_.end()) return values_of(found->second);
  const auto original = name_of_original(tensor->name);
  if (original.empty()) return -1;
  for (int i = static_cast<int>(graph_.size()); i-- > 0;) {
    const std::string_view name = graph_[static_cast<std::size_t>(i)].name;
    if (name == original || (is_cut(tensor->name) && name.starts_with(original))) return values_of(i);
  }
  return -1;
}

// The node that computed what this one has or shows.
int GraphRecorder::values_of(int index) const {
  const auto& node = graph_[static_cast<std::size_t>(index)];
  if (node.computes) return index;
  return shows_other_values(node.op, node.is_in_place) && !node.sources.empty() ? node.sources[0].node : -1;
}

// The number of the tensor that the data of this one belongs to, which is itself if it is a view of none.
int GraphRecorder::memory_of(const ggml_tensor* tensor) {
  while (tensor->view_src != nullptr) tensor = tensor->view_src;
  return memory_.try_emplace(tensor, static_cast<int>(memory_.size())).first->second;
}

GraphSource GraphRecorder::source_of(ggml_tensor* tensor, bool is_factor) {
  GraphSource source;
  if (tensor == nullptr) return source;
  source.type = tensor->type;
  source.memory = memory_of(tensor);
  auto* origin = tensor;
  while (origin->view_src != nullptr) origin = origin->view_src;
  if (is_weight(origin)) {
    source.weight = origin->name;
    source.is_view = origin != tensor;
    source.packing = packing_name(ggml_backend_buffer_get_type(origin->buffer));
    add_tensor(weights_, source.weight, origin, is_factor && !source.is_view);
  } else {
    source.node = root_of(tensor);
  }
  return source;
}

void GraphRecorder::note(ggml_tensor* node) {
  GraphNode noted;
  noted.name = node->name;
  noted.op = node->op;
  noted.operation = ggml_op_desc(node);
  noted.type = node->type;
  noted.is_in_place = node->view_src != nullptr;
  noted.is_view = node->op != GGML_OP_CPY && shows_other_values(node->op, noted.is_in_place);
  noted.shape = {node->ne[0], node->ne[1], node->ne[2], node->ne[3]};
  noted.is_on_host = node->buffer == nullptr || ggml_backend_buffer_is_host(node->buffer);
  noted.memory = memory_of(node);
  const auto* whole = node;
  while (whole->view_src != nullptr) whole = whole->view_src;
  noted.bytes = ggml_nbytes(node);
  noted.fills_memory = ggml_is_contiguous(node) && noted.bytes == ggml_nbytes(whole);
  int sources = GGML_MAX_SRC;
  while (sources > 0 && node->src[sources - 1] == nullptr) --sources;
  const bool is_product = node->op == GGML_OP_MUL_MAT || node->op == GGML_OP_MUL_MAT_ID;
  for (int s = 0; s < sources; ++s) noted.sources.push_back(source_of(node->src[s], is_product && s == 0));
  noted.cache_write = cache_write_of(*node);
  const int index = static_cast<int>(graph_.size());
  if (shows_other_values(node->op, noted.is_in_place)) {
    const int root = noted.sources.empty() ? -1 : noted.sources.front().node;
    if (root >= 0) {
      const bool all = elements_of(graph_[static_cast<std::size_t>(root)].shape) == ggml_nelements(node);
      if (all) noted.shows = root;
      const auto direct = index_.find(node->src[0]);
      noted.keeps_order = all && node->op == GGML_OP_RESHAPE && direct != index_.end() &&
                          (direct->second == root || graph_[static_cast<std::size_t>(direct->second)].keeps_order);
    }
  } else {
    // Writing into the cache is no computation; nor is what is written over a view of it.
    const bool moves = node->op == GGML_OP_NONE || node->op == GGML_OP_CPY || node->op == GGML_OP_SET_ROWS;
    const bool is_of_graph = node->view_src == nullptr || root_of(node->view_src) >= 0;
    noted.computes = node->type == GGML_TYPE_F32 && !moves && is_of_graph;
  }
  index_[node] = index;
  graph_.push_back(std::move(noted));
}

Graph GraphRecorder::take() {
  index_.clear();
  memory_.clear();
  return std::exchange(graph_, {});
}

}  // namespace fakequant
