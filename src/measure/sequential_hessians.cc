#include "measure/sequential_hessians.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/devices.h"
#include "error.h"
#include "format/format_properties.h"
#include "gguf/gguf_file.h"
#include "gguf/memory_file.h"
#include "measure/hessian_collector.h"
#include "measure/prepared_variants.h"
#include "measure/text_chunks.h"
#include "measure/text_windows.h"
#include "measure/weights_in_place.h"
#include "recipe/site_match.h"
#include "weights/hessian_file.h"
#include "weights/weight_sites.h"

namespace fakequant {
namespace {

std::filesystem::path same_path(const std::string& path) { return std::filesystem::absolute(path).lexically_normal(); }

// Weights whose inputs are collected in one pass of the text.
struct LayerPass {
  int layer = 0;  // the number of layers for those after the layers
  std::set<std::string> weights;
};

// In their order: weights before the layers, if there are any, each layer, and those after the layers.
std::vector<LayerPass> passes_over(const Graph& graph, int layers) {
  LayerPass before{0, {}};
  std::vector<LayerPass> layer_passes;
  for (int layer = 0; layer <= layers; ++layer) layer_passes.push_back({layer, {}});
  bool is_in_layers = false;
  for (auto& weight : weights_of_products(graph)) {
    const auto layer = layer_of_tensor(weight);
    is_in_layers |= layer.has_value();
    auto& pass = is_in_layers ? layer_passes.at(static_cast<std::size_t>(layer.value_or(layers))) : before;
    pass.weights.insert(std::move(weight));
  }
  // What a product after the layers multiplies with, too, waits for it.
  for (const auto& weight : layer_passes.back().weights) before.weights.erase(weight);
  if (!before.weights.empty()) layer_passes.insert(layer_passes.begin(), std::move(before));
  if (layer_passes.back().weights.empty()) layer_passes.pop_back();
  return layer_passes;
}

// The rules that name the file, each for a single tensor, by the tensor's name; the others are left in `rules`.
std::map<std::string, Rule> take_sequential_rules(const GgufModel& model, const std::string& file, Recipe& rules) {
  const auto winners = match_sites(rules, weight_sites(model), layer_count(model.tensors()));
  std::map<std::string, Rule> taken;
  Recipe others;
  for (std::size_t t = 0; t < winners.size(); ++t) {
    if (!winners[t]) continue;
    const auto& tensor = model.tensors()[t];
    auto of_tensor = rules[*winners[t]];
    of_tensor.pattern = parse_site_pattern("w:" + tensor.name);
    if (names_file(of_tensor, file)) {
      taken.emplace(tensor.name, std::move(of_tensor));
    } else {
      others.push_back(std::move(of_tensor));
    }
  }
  rules = std::move(others);
  return taken;
}

class SequentialPasses {
 public:
  SequentialPasses(const GgufModel& file, const Model& model, std::map<std::string, Rule> rules, std::string named,
                   const ApplySettings& storage, const ComputeOptions& compute)
      : file_(file),
        model_(model),
        rules_(std::move(rules)),
        named_(std::move(named)),
        storage_(storage),
        compute_(compute) {}

  // Weights that are changed from the beginning.
  void change(const ChangedWeights& weights) { weights_.insert(weights_.end(), weights.begin(), weights.end()); }

  std::unique_ptr<Context> open(int ctx_size) const {
    return std::make_unique<Context>(model_, context_options(ctx_size, compute_), Recipe{}, weights_);
  }

  // The Hessians of the weights of a pass; the chunks have been carried through all before the last.
  std::vector<InputHessian> collect(Context& context, const LayerPass& pass, std::span<const std::vector<Token>> chunks,
                                    const Progress& progress) {
    HessianCollector hessians(compute_.threads);
    context.show_inputs([&](const ProductInput& input) { hessians.add(input); },
                        [&](const std::string& weight) { return pass.weights.contains(weight); });
    states_.resize(chunks.size());
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      context.clear(static_cast<std::uint32_t>(c));
      hessians.begin_evaluation();
      HiddenStates carried;
      context.carry(states_[c], carried, pass.layer);
      context.evaluate(chunks[c], {0, chunks[c].size()});
      context.clear();
      states_[c] = std::move(carried);
      if (progress) progress(static_cast<double>(c + 1) / static_cast<double>(chunks.size()));
    }
    return hessians.take();
  }

  // Rounds the weights of a pass by their Hessians.
  void round(const LayerPass& pass, const HessianSums& sums) {
    MemoryFile hessians("hessians");
    Recipe rules;
    for (const auto& weight : pass.weights) {
      const auto found = rules_.find(weight);
      if (found == rules_.end()) continue;
      auto& rule = rules.emplace_back(found->second);
      for (auto* path : file_parts(rule.format)) {
        if (!path->empty() && same_path(*path) == same_path(named_)) *path = hessians.path();
      }
    }
    if (rules.empty()) return;
    const auto bytes = hessian_bytes(sums);
    write_exactly(hessians.fd(), 0, std::as_bytes(std::span(bytes)), hessians.path());
    const auto rounding = rounding_in_place(file_, rules, storage_);
    if (!rounding) throw usage_error("weights of layers before cannot be stored in a quantized type: promote them");
    ApplyResult ignored;
    change(*round_in_place(file_, rounding, {.threads = compute_.threads}, ignored).weights);
  }

 private:
  const GgufModel& file_;
  const Model& model_;
  std::map<std::string, Rule> rules_;
  std::string named_;
  ApplySettings storage_;
  ComputeOptions compute_;
  ChangedWeights weights_;
  std::vector<HiddenStates> states_;  // of each chunk
};

}  // namespace

bool names_file(const Rule& rule, const std::string& file) {
  const auto files = format_files(rule.format);
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& named) { return same_path(named) == same_path(file); });
}

CalibrationResult calibrate_in_sequence(const GgufModel& model_file, const Recipe& rules, const std::string& file,
                                        const ApplySettings& storage, const Text& text, const CalibrateOptions& options,
                                        const Progress& progress) {
  if (names_servers(options.compute.devices)) {
    throw usage_error("layers are rounded one after the other on this machine only: take no servers");
  }
  auto others = rules;
  auto sequential = take_sequential_rules(model_file, file, others);
  if (sequential.empty()) {
    throw usage_error(
        fmt::format("no rule takes its Hessians from {}: give the rules that will, with hessian={}", file, file));
  }
  PreparedVariants prepared(model_file, storage, options.compute);
  prepared.add("calibrated", others);
  const auto& variant = prepared.variants().front();
  const Model model(variant.model, options.compute.devices, options.compute.arithmetic);

  CalibrationResult result;
  result.model = model_file.path();
  result.text = text.name;
  result.ctx_size = choose_chunk_size(model, options.ctx_size);
  result.range = to_string(options.range);
  TextChunks source(model, text, result.ctx_size, options.chunks);
  std::vector<std::vector<Token>> chunks;
  TextWindows windows;
  while (auto tokens = source.next()) {
    windows.add(*tokens);
    chunks.push_back(std::move(*tokens));
  }
  result.text_sample = windows.sample();
  result.chunks = source.taken();
  result.tokens = static_cast<std::int64_t>(result.chunks) * result.ctx_size;

  SequentialPasses passes(model_file, model, sequential, file, storage, options.compute);
  if (variant.weights) passes.change(*variant.weights);
  auto context = passes.open(result.ctx_size);
  const auto layer_passes = passes_over(context->graph(), model.layers());
  for (const auto& [name, rule] : sequential) {
    const auto& weight = name;
    const bool is_multiplied = std::any_of(layer_passes.begin(), layer_passes.end(),
                                           [&](const LayerPass& pass) { return pass.weights.contains(weight); });
    if (is_multiplied) continue;
    throw usage_error(
        fmt::format("the rule {} is for {}, whose inputs have no Hessians: leave it out; only inputs of matrix "
                    "products have Hessians",
                    format_text(rule), weight));
  }
  result.hessians = HessianSums{text.name, result.chunks, result.ctx_size, {}, result.text_sample, to_string(rules)};
  auto& collected = result.hessians->inputs;
  for (std::size_t s = 0; s < layer_passes.size(); ++s) {
    const auto of_passes = static_cast<double>(layer_passes.size());
    const auto of_pass = [&](double done) {
      if (progress) progress((static_cast<double>(s) + done) / of_passes);
    };
    HessianSums sums{text.name, result.chunks, result.ctx_size,
                     passes.collect(*context, layer_passes[s], chunks, of_pass)};
    if (s + 1 < layer_passes.size()) {
      passes.round(layer_passes[s], sums);
      context.reset();
      context = passes.open(result.ctx_size);
    }
    collected.insert(collected.end(), std::make_move_iterator(sums.inputs.begin()),
                     std::make_move_iterator(sums.inputs.end()));
  }
  return result;
}

}  // namespace fakequant
