#include "measure/eval_forecast.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/model_outline.h"
#include "gguf/gguf_model.h"
#include "seconds_of.h"

namespace fakequant {
namespace {

// The contexts of one model, with attention alike.
struct ContextGroup {
  const Model* model = nullptr;
  std::vector<std::string> files;
  ContextOptions options;
  std::vector<int> places;  // of each context of llama.cpp: how many of ours share it
};

// As LoadedModels::open_shared() opens them; the baseline's comes first.
std::vector<ContextGroup> groups_of(LoadedModels& models, const std::vector<Variant>& variants,
                                    const ContextOptions& common, int copies) {
  std::vector<ContextGroup> groups{{&models.baseline(), models.baseline_files(), common, {1}}};
  std::vector<int> counts{0};
  for (const auto& variant : variants) {
    if (models.is_baseline(variant)) continue;
    auto options = common;
    options.attention = settled(variant.attention, common.attention);
    std::size_t g = 1;
    while (g < groups.size() &&
           (groups[g].files != variant.model || groups[g].options.attention != options.attention)) {
      ++g;
    }
    if (g == groups.size()) {
      groups.push_back({&models.model_of(variant), variant.model, options, {}});
      counts.push_back(0);
    }
    counts[g] += copies;
  }
  // For the noise floor there is one more, where kernels may round again what rules round.
  const bool has_floor = common.arithmetic == Arithmetic::native &&
                         std::any_of(variants.begin(), variants.end(), [](const Variant& variant) {
                           return !std::all_of(variant.taps.begin(), variant.taps.end(), is_about_cache);
                         });
  if (has_floor) groups.front().places.push_back(1);
  for (std::size_t g = 1; g < groups.size(); ++g) {
    const int shared = groups[g].model->has_recurrent_layers() ? 1 : SharedContext::max_places();
    for (int left = counts[g]; left > 0; left -= shared) groups[g].places.push_back(std::min(left, shared));
  }
  return groups;
}

// Those that are kept, and in native arithmetic the memory that the streamed ones of a context share.
std::uint64_t bytes_of_changed(const std::vector<Variant>& variants, Arithmetic arithmetic, int copies) {
  std::set<const TensorBytes*> counted;
  std::uint64_t bytes = 0;
  for (const auto& variant : variants) {
    if (!variant.weights) continue;
    std::uint64_t streamed = 0;
    for (const auto& weight : *variant.weights) {
      if (!weight.bytes) {
        streamed = std::max(streamed, weight.size);
      } else if (counted.insert(weight.bytes.get()).second) {
        bytes += weight.size;
      }
    }
    if (arithmetic == Arithmetic::native) bytes += streamed * static_cast<std::uint64_t>(copies);
  }
  return bytes;
}

// The layers whose cache of this role the variant also keeps in full.
int layers_in_full(const Variant& variant, std::string_view role, int layers) {
  const auto is_kept = [&](int layer) {
    return std::any_of(variant.taps.begin(), variant.taps.end(), [&](const Rule& rule) {
      const auto& selector = rule.pattern.selector;
      return depends_on_query(rule.cache_tokens) && selector.form == Selector::role && selector.text == role &&
             rule.pattern.layers.contains(layer, layers);
    });
  };
  int count = 0;
  for (int layer = 0; layer < layers; ++layer) count += is_kept(layer) ? 1 : 0;
  return count;
}

std::uint64_t bytes_in_full(const Variant& variant, const ContextMemory& of_place, int layers) {
  const auto of_role = [&](std::uint64_t bytes, std::string_view role) {
    return bytes * static_cast<std::uint64_t>(layers_in_full(variant, role, layers)) /
           static_cast<std::uint64_t>(layers);
  };
  return of_role(of_place.keys, kKeyCacheRole) + of_role(of_place.values, kValueCacheRole);
}

// What is computed for a token: the products with weights, and those with each cell of the cache.
struct TokenCost {
  double weights = 0, cell = 0;
  std::int64_t feed_forward = 0;  // the width of the widest input of a product with a weight
};

TokenCost cost_of(const GgufModel& file, int heads, int layers) {
  const auto integer = [&](const std::string& key) {
    const auto architecture = file.first().find_string("general.architecture").value_or("");
    return file.first().find_integer(architecture + "." + key);
  };
  const auto used = static_cast<double>(integer("expert_used_count").value_or(1)),
             all = static_cast<double>(integer("expert_count").value_or(1));
  const bool has_output = file.find_tensor("output.weight") != nullptr;
  TokenCost cost;
  for (const auto& tensor : file.tensors()) {
    if (tensor.shape.size() < 2 || (has_output && tensor.name == "token_embd.weight")) continue;
    const bool is_of_experts = tensor.name.find("_exps") != std::string::npos && all > 0;
    double values = 1;
    for (const auto size : tensor.shape) values *= static_cast<double>(size);
    cost.weights += 2 * values * (is_of_experts ? used / all : 1);
    cost.feed_forward = std::max(cost.feed_forward, static_cast<std::int64_t>(tensor.shape[0]));
  }
  const auto width = integer("embedding_length").value_or(0);
  const auto head = integer("attention.key_length").value_or(heads > 0 ? width / heads : 0);
  cost.cell = 4.0 * heads * static_cast<double>(head) * layers;
  return cost;
}

// Where products read their inputs packed: the largest that there is, the probabilities of all heads or the widest
// input of a weight. With flash attention the probabilities are no input.
std::uint64_t bytes_of_packed(const std::vector<BatchOfCells>& batches, const ContextOptions& options, int heads,
                              std::int64_t feed_forward) {
  if (options.arithmetic != Arithmetic::f32) return 0;
  const bool is_fused = settled(options.attention, options.arithmetic).flash == FlashAttention::on;
  std::int64_t most = 0;
  for (const auto& batch : batches) {
    const auto cells = is_fused ? 0 : std::int64_t{batch.cells} * heads;
    most = std::max(most, batch.tokens * std::max(cells, feed_forward));
  }
  return static_cast<std::uint64_t>(most) * sizeof(float);
}

// What the program holds beside all that, as measured: its own code and llama.cpp's, and of each model the vocabulary
// and the graphs that were watched.
constexpr std::uint64_t kProgramBytes = 26'000'000, kEntryBytes = 160, kLayerBytes = 800'000;

std::uint64_t bytes_of_program(const Model& model) {
  return kEntryBytes * static_cast<std::uint64_t>(model.vocabulary_size()) +
         kLayerBytes * static_cast<std::uint64_t>(model.layers());
}

// Of a batch of this plan that reads so many cells.
ContextOptions options_for(const BatchOfCells& batch, ContextOptions options) {
  options.ctx_size = batch.cells;
  options.batch_size = batch.tokens;
  options.max_outputs = std::min(options.max_outputs, batch.tokens);
  return options;
}

// How long a token takes without a long cache, in seconds.
double seconds_per_token(const Model& model, const ContextOptions& common) {
  constexpr int kTokens = 128;
  auto options = common;
  options.ctx_size = kTokens + 1;
  options.max_outputs = 1;
  Context context(model, options);
  const std::vector<Token> tokens(kTokens, std::max(model.bos(), Token{0}));
  context.evaluate(std::span(tokens).first(1));  // reads the weights from the disk
  return seconds_of([&] { context.evaluate(tokens); }) / kTokens;
}

}  // namespace

std::vector<BatchOfCells> largest_batches(const ChunkPlan& plan) {
  constexpr int kCells = 256;  // of which llama.cpp reads a multiple
  const int together = tokens_together(plan.context);
  std::map<int, int, std::greater<>> cells;  // by tokens
  for (const auto& slice : plan.slices) {
    for (auto begin = static_cast<int>(slice.begin); begin < static_cast<int>(slice.end); begin += together) {
      const int tokens = std::min(together, static_cast<int>(slice.end) - begin);
      const int read = std::min((begin + tokens + kCells - 1) / kCells * kCells, plan.context.ctx_size);
      cells[tokens] = std::max(cells[tokens], read);
    }
  }
  std::vector<BatchOfCells> batches;
  for (const auto& [tokens, most] : cells) {
    if (batches.empty() || most > batches.back().cells) batches.push_back({tokens, most});
  }
  return batches;
}

std::optional<EvalMemory> foretell_memory(LoadedModels& models, const std::vector<Variant>& variants,
                                          const ChunkPlan& plan, int copies) {
  if (models.baseline().is_offloaded()) return std::nullopt;
  const auto batches = largest_batches(plan);
  std::map<std::vector<std::string>, ModelOutline> outlines;
  EvalMemory memory;
  memory.program = kProgramBytes;
  for (const auto& group : groups_of(models, variants, plan.context, copies)) {
    group.model->check_types();  // llama.cpp stops where it lays out types that it cannot compute with
    const GgufModel file(group.files);
    const auto [at, is_new] = outlines.try_emplace(group.files, group.files);
    const auto& outline = at->second;
    if (is_new) {
      memory.weights += file.size();
      memory.program += bytes_of_program(*group.model);
    }
    std::uint64_t compute = 0;
    for (const auto& batch : batches) {
      const auto of_batch = outline.memory_of(options_for(batch, group.options));
      if (!of_batch) return std::nullopt;
      compute = std::max(compute, of_batch->compute);
    }
    const auto packed = bytes_of_packed(batches, group.options, outline.heads(),
                                        cost_of(file, outline.heads(), group.model->layers()).feed_forward);
    const auto logits = static_cast<std::uint64_t>(plan.context.max_outputs) *
                        static_cast<std::uint64_t>(group.model->vocabulary_size()) * sizeof(float);
    for (const int places : group.places) {
      const auto of_context = outline.memory_of(group.options, places);
      if (!of_context) return std::nullopt;
      memory.cache += of_context->cache;
      memory.compute += compute + logits;
      memory.products += packed * static_cast<std::uint64_t>(places);
    }
  }
  for (const auto& variant : variants) {
    const bool keeps_in_full = std::any_of(variant.taps.begin(), variant.taps.end(),
                                           [](const Rule& rule) { return depends_on_query(rule.cache_tokens); });
    if (!keeps_in_full) continue;
    const auto of_place = outlines.at(variant.model).memory_of(plan.context);
    if (!of_place) return std::nullopt;
    memory.cache_in_full +=
        static_cast<std::uint64_t>(copies) * bytes_in_full(variant, *of_place, models.model_of(variant).layers());
  }
  memory.rounded_weights = bytes_of_changed(variants, plan.context.arithmetic, copies);
  return memory;
}

EvalForecast foretell(LoadedModels& models, const std::vector<Variant>& variants, const std::vector<Text>& texts,
                      const ChunkPlan& plan, int copies, int max_chunks) {
  EvalForecast forecast;
  forecast.contexts = 1;
  for (const auto& variant : variants) forecast.contexts += models.is_baseline(variant) ? 0 : copies;
  forecast.ctx_size = plan.context.ctx_size;
  forecast.memory = foretell_memory(models, variants, plan, copies);
  if (forecast.ctx_size < kLongContext) return forecast;
  forecast.chunks = TextChunks(models.baseline(), texts.front(), forecast.ctx_size, max_chunks).expected() *
                    static_cast<int>(texts.size());
  const ModelOutline outline(models.baseline_files());
  const auto cost = cost_of(GgufModel(models.baseline_files()), outline.heads(), models.baseline().layers());
  const auto of_token = seconds_per_token(models.baseline(), plan.context);
  // The mean token reads half of the chunk.
  const double cells = forecast.ctx_size / 2.0;
  const double with_cells = cost.weights > 0 ? 1 + cost.cell * cells / cost.weights : 1;
  forecast.seconds_per_chunk = of_token * with_cells * forecast.ctx_size * forecast.contexts;
  return forecast;
}

}  // namespace fakequant
