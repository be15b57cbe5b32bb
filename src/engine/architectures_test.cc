// On a small model of each architecture: ARCHITECTURES names the folder where llama.cpp's generator put them. Of
// ARCHITECTURES_STEP models the tests take one.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "engine/architecture_models.h"
#include "engine/backend.h"
#include "engine/context.h"
#include "engine/model_outline.h"
#include "error.h"
#include "gguf/gguf_model.h"

namespace fakequant {
namespace {

constexpr std::size_t kTokens = 24;

// The tokens of all texts, by their position.
Token token_at(std::size_t position, const Model& model) {
  return static_cast<Token>((position * 37 + 5) % static_cast<std::size_t>(model.vocabulary_size()));
}

// Of a part of a text, which the caller has begun.
std::vector<float> logits_of_piece(Context& context, std::size_t begin, std::size_t count) {
  std::vector<Token> tokens;
  for (auto i = begin; i < begin + count; ++i) tokens.push_back(token_at(i, context.model()));
  context.evaluate(tokens, {0, count});
  std::vector<float> logits;
  for (std::size_t i = 0; i < count; ++i) {
    const auto of_token = context.logits(i);
    logits.insert(logits.end(), of_token.begin(), of_token.end());
  }
  return logits;
}

// Of a text, which the caller has begun.
std::vector<float> logits_of_text(Context& context, std::size_t together, std::size_t length = kTokens) {
  std::vector<float> logits;
  for (std::size_t begin = 0; begin < length; begin += together) {
    const auto piece = logits_of_piece(context, begin, std::min(together, length - begin));
    logits.insert(logits.end(), piece.begin(), piece.end());
  }
  return logits;
}

std::vector<float> logits_of(Context& context, std::size_t together) {
  context.clear();
  return logits_of_text(context, together);
}

// The layers with a tensor that plays the role by its name, if llama.cpp reads it at all.
std::set<int> layers_with(const GgufModel& file, const Graph& graph, const std::string& role) {
  const auto readers = readers_of_weights(graph);
  std::set<int> layers;
  for (const auto& tensor : file.tensors()) {
    const auto layer = layer_of_tensor(tensor.name);
    if (layer && readers.contains(tensor.name) && plays_role(role, weight_word(tensor.name, layer)))
      layers.insert(*layer);
  }
  return layers;
}

class Architecture : public testing::TestWithParam<std::string> {
 protected:
  // The model, or none where it does not predict the next token; then that is said.
  static std::unique_ptr<Model> load(const std::string& path) {
    auto model = std::make_unique<Model>(std::vector<std::string>{path});
    try {
      Context(*model, {64, 1});
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  testing::EndsWith("does not predict the next token: fakequant measures models that do"));
      return nullptr;
    }
    return model;
  }

  // Only layers that are computed several times (hrm_text) cannot be left out, when all 131 models are there.
  static void TearDownTestSuite() {
    constexpr int kPredictors = 127;
    if (models_begun >= kPredictors) {
      EXPECT_GE(models_that_skip, models_begun - 1);
    }
  }

  inline static int models_begun = 0;
  inline static int models_that_skip = 0;  // the layers below any
};

TEST_P(Architecture, IsLaidOutWithoutItsWeights) {
  const auto model = load(GetParam());
  if (!model) return;
  for (const auto arithmetic : {Arithmetic::native, Arithmetic::f32}) {
    const ContextOptions options{.ctx_size = 1024, .max_outputs = 16, .arithmetic = arithmetic};
    const auto foretold = ModelOutline({GetParam()}).memory_of(options);
    const auto log = engine_log_of([&] { const Context context(*model, options); });
    EXPECT_EQ(foretold, memory_in_log(log)) << log;
  }
}

TEST_P(Architecture, HasTheSameLogitsUnderATapThatChangesNothing) {
  const auto model = load(GetParam());
  if (!model) return;
  Context untouched(*model, {64, 2}), tapped(*model, {64, 2}, {});
  ASSERT_FALSE(tapped.sites().empty());
  const auto expected = logits_of(untouched, kTokens);
  for (const auto* rule : {"a:*=mantissa23", "a:in(*)=mantissa23", "a:logits=mantissa23"}) {
    tapped.set_recipe({parse_rule(rule)});
    const auto logits = logits_of(tapped, kTokens);
    ASSERT_EQ(logits.size(), expected.size());
    EXPECT_EQ(std::memcmp(logits.data(), expected.data(), logits.size() * sizeof(float)), 0) << rule;
    for (const auto& site : tapped.counters()) {
      EXPECT_LE(site.evaluations, 1) << site.site;  // some nodes are those of one token only
      EXPECT_EQ(site.errors.changed, 0) << site.site;
    }
  }
}

TEST_P(Architecture, TakesEveryActivationInBf16ExactlyOnceAnEvaluation) {
  const auto model = load(GetParam());
  if (!model) return;
  Context tapped(*model, {64, 2}, {parse_rule("a:*=bf16")});
  logits_of(tapped, kTokens);
  const auto nodes = std::count_if(tapped.sites().begin(), tapped.sites().end(),
                                   [](const ActivationSite& site) { return !site.site.is_cache_write; });
  EXPECT_GE(tapped.counters().size(), static_cast<std::size_t>(nodes));
  for (const auto& site : tapped.counters()) {
    EXPECT_LE(site.evaluations, 1) << site.site;
    if (site.columns > 0) {
      EXPECT_EQ(site.errors.elements, site.rows * site.columns) << site.site;
    }
  }
}

TEST_P(Architecture, RoundsTheSameWhateverIsEvaluatedTogether) {
  const auto model = load(GetParam());
  if (!model) return;
  Context untouched(*model, {64, 2}), tapped(*model, {64, 2}, {parse_rule("a:in(*)=int8")}),
      serial(*model, {64, 1}, {});
  serial.set_recipe({parse_rule("a:in(*)=int8")});
  const auto together = logits_of(tapped, kTokens);
  EXPECT_EQ(logits_of(serial, kTokens), together) << "threads";
  const auto baseline = logits_of(untouched, kTokens);
  EXPECT_NE(baseline, together);
  for (const std::size_t pieces : {1, 5}) {
    // Where llama.cpp's own results depend on it, ours may.
    if (logits_of(untouched, pieces) == baseline) {
      EXPECT_EQ(logits_of(tapped, pieces), together) << pieces;
    } else {
      fmt::print("(the baseline depends on what is evaluated together: {})\n", pieces);
    }
  }
}

TEST_P(Architecture, HasTheRolesThatItsWeightsSay) {
  const auto model = load(GetParam());
  if (!model) return;
  const GgufModel file(GetParam());
  Context context(*model, {64, 1}, {});
  for (const std::string role : {"ffn_input", "attn_input", "attn_output_input", "ffn_down_input"}) {
    for (const int layer : layers_with(file, context.graph(), role)) {
      const auto rule = parse_rule(fmt::format("a:{}@{}=bf16", role, layer));
      EXPECT_NO_THROW(context.set_recipe({rule})) << to_string(rule);
    }
  }
  EXPECT_NO_THROW(context.set_recipe({parse_rule("a:logits=bf16")}));
  ASSERT_EQ(context.counters().size(), 1u);
  context.evaluate(std::vector<Token>{1});
  EXPECT_EQ(context.counters()[0].errors.elements, model->vocabulary_size());
}

// One rule in each layer: for what feeds its FFN, or else for the last activation that the layer has.
std::map<int, Recipe> rules_of_layers(Context& context) {
  std::map<int, Recipe> rules;
  for (const auto& site : context.sites()) {
    const int layer = site.site.layer.value_or(-1);
    if (layer >= 0) rules[layer] = {parse_rule(fmt::format("a:{}=bf16", site.site.name))};
  }
  for (auto& [layer, recipe] : rules) {
    const Recipe by_role{parse_rule(fmt::format("a:ffn_input@{}=bf16", layer))};
    try {
      context.set_recipe(by_role);
      recipe = by_role;
    } catch (const Error&) {  // the layer has no such activation
    }
  }
  return rules;
}

// llama.cpp's own logits of the same tokens, `together` of them at once.
std::vector<float> llama_logits(const Model& model, llama_context_params parameters, std::size_t count,
                                std::size_t together) {
  parameters.n_threads = parameters.n_threads_batch = 2;
  const std::unique_ptr<llama_context, decltype(&llama_free)> context(llama_init_from_model(model.get(), parameters),
                                                                      llama_free);
  auto batch = llama_batch_init(static_cast<std::int32_t>(together), 0, 1);
  const auto vocabulary = static_cast<std::size_t>(model.vocabulary_size());
  std::vector<float> all;
  for (std::size_t begin = 0; begin < count; begin += together) {
    const auto here = std::min(together, count - begin);
    batch.n_tokens = static_cast<std::int32_t>(here);
    for (std::size_t i = 0; i < here; ++i) {
      batch.token[i] = token_at(begin + i, model);
      batch.pos[i] = static_cast<llama_pos>(begin + i);
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = 1;
    }
    EXPECT_EQ(llama_decode(context.get(), batch), 0);
    const auto* logits = llama_get_logits(context.get());
    all.insert(all.end(), logits, logits + here * vocabulary);
  }
  llama_batch_free(batch);
  return all;
}

// With the cache in F32 and without llama.cpp's fused attention, which rounds.
std::vector<float> llama_logits_in_f32(const Model& model) {
  auto parameters = llama_context_default_params();
  parameters.n_ctx = 64;
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  return llama_logits(model, parameters, kTokens, kTokens);
}

constexpr ContextOptions kReference{.ctx_size = 64, .threads = 2, .arithmetic = Arithmetic::f32};

// Whether a model computes a GELU that ggml looks up in a table in F16.
bool has_rounded_gelu(const Graph& graph) {
  return std::any_of(graph.begin(), graph.end(), [](const GraphNode& node) {
    return node.operation == "GELU" || node.operation == "GEGLU" || node.operation == "GELU_QUICK" ||
           node.operation == "GEGLU_QUICK";
  });
}

// The generator stores matrices in F32, so that llama.cpp's own products round nothing.
TEST_P(Architecture, HasLlamaCppsLogitsInReferenceArithmetic) {
  if (!load(GetParam())) return;
  const Model model({GetParam()}, {}, Arithmetic::f32);
  Context context(model, kReference);
  const auto logits = logits_of(context, kTokens), expected = llama_logits_in_f32(model);
  ASSERT_EQ(logits.size(), expected.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    difference += std::pow(double{logits[i]} - double{expected[i]}, 2);
    size += std::pow(double{expected[i]}, 2);
  }
  EXPECT_LE(std::sqrt(difference / size), has_rounded_gelu(context.graph()) ? 5e-4 : 1e-4);
}

TEST_P(Architecture, ComputesTheSameInReferenceArithmeticWhateverIsEvaluatedTogether) {
  if (!load(GetParam())) return;
  const Model model({GetParam()}, {}, Arithmetic::f32);
  Context context(model, kReference);
  auto serial_options = kReference;
  serial_options.threads = 1;
  Context serial(model, serial_options);
  const auto together = logits_of(context, kTokens);
  EXPECT_EQ(logits_of(serial, kTokens), together) << "threads";
  Context native(model, {64, 2});
  const auto baseline = logits_of(native, kTokens);
  for (const std::size_t pieces : {1, 5}) {
    // Some operations that llama.cpp computes itself depend on it: linear attention, for instance.
    if (logits_of(native, pieces) != baseline) continue;
    EXPECT_EQ(logits_of(context, pieces), together) << pieces;
  }
}

// Of layers with an attention window llama.cpp's tools hold the last tokens only, and its kernels sum in the order in
// which these lie.
TEST_P(Architecture, HasLlamaCppsLogitsBeyondTheWindowOfAttention) {
  constexpr std::size_t kText = 400, kTogether = 64;  // a window is held in 256 cells
  const auto model = load(GetParam());
  if (!model || llama_model_n_swa(model->get()) == 0) return;
  auto parameters = llama_context_default_params();
  parameters.n_ctx = 512;
  parameters.n_ubatch = kTogether;
  parameters.swa_full = false;
  Context context(*model, {.ctx_size = 512, .threads = 2, .batch_size = kTogether});
  context.clear();
  EXPECT_EQ(logits_of_text(context, kTogether, kText), llama_logits(*model, parameters, kText, kTogether));
}

// The rules that round what attention's cache holds, where the model has one.
Recipe rules_of_cache(const Context& context, const std::string& format) {
  Recipe recipe;
  for (const auto role : {kKeyCacheRole, kValueCacheRole}) {
    const bool has_role = std::any_of(context.sites().begin(), context.sites().end(), [&](const ActivationSite& site) {
      return site.site.is_cache_write && site.site.roles.front() == role;
    });
    if (has_role) recipe.push_back(parse_rule(fmt::format("a:{}={}", role, format)));
  }
  return recipe;
}

// Models without attention's cache are those of recurrent layers alone, and those that evaluate a text as a whole.
TEST_P(Architecture, RoundsWhatTheCacheHoldsAsACacheOfThatTypeDoes) {
  if (!load(GetParam())) return;
  const Model model({GetParam()}, {}, Arithmetic::f32);
  Context rounded(model, kReference);
  const auto recipe = rules_of_cache(rounded, "f16");
  const bool writes = std::any_of(rounded.graph().begin(), rounded.graph().end(), [](const GraphNode& node) {
    return (node.cache_write && node.cache_write->part != CacheWrite::state) || node.op == GGML_OP_FLASH_ATTN_EXT;
  });
  EXPECT_EQ(recipe.empty(), !writes);
  if (recipe.empty()) return;
  auto options = kReference;
  options.attention = {"f16", "f16"};
  Context held(model, options);
  rounded.set_recipe(recipe);
  for (const std::size_t pieces : {kTokens, std::size_t{5}}) {
    EXPECT_EQ(logits_of(rounded, pieces), logits_of(held, pieces)) << pieces;
  }
  // Each head of each token once.
  rounded.set_recipe(rules_of_cache(rounded, "int8"));
  logits_of(rounded, kTokens);
  for (const auto& site : rounded.counters()) {
    EXPECT_EQ(site.evaluations, 1) << site.site;
    EXPECT_EQ(site.errors.elements, site.rows * site.columns) << site.site;
    EXPECT_GT(site.rows, 0) << site.site;
  }
  Context serial(model, {.ctx_size = 64, .threads = 1, .arithmetic = Arithmetic::f32});
  serial.set_recipe(rules_of_cache(serial, "int8"));
  EXPECT_EQ(logits_of(serial, kTokens), logits_of(rounded, kTokens));
}

// Where the model's own products with the cache do not depend on it, in full precision.
TEST_P(Architecture, ReadsTokensOfTheCacheInFullWhateverIsEvaluatedTogether) {
  if (!load(GetParam())) return;
  const Model model({GetParam()}, {}, Arithmetic::f32);
  Context context(model, kReference);
  const auto exact = logits_of(context, kTokens);
  const bool is_same_in_pieces = logits_of(context, 5) == exact;
  const auto kept = rules_of_cache(context, "int3,keep=recent:24");
  if (kept.empty()) return;
  try {
    context.set_recipe(kept);
  } catch (const Error& error) {  // an indexer that reads the cache in a way of its own
    EXPECT_THAT(error.what(), testing::HasSubstr(" reads this cache"));
    return;
  }
  EXPECT_EQ(logits_of(context, kTokens), exact);
  for (const auto* format : {"int3,keep=sink:2,recent:6", "int3,mode=asym,per=channel,group=7"}) {
    context.set_recipe(rules_of_cache(context, format));
    const auto together = logits_of(context, kTokens);
    EXPECT_NE(together, exact) << format;
    if (is_same_in_pieces) {
      EXPECT_EQ(logits_of(context, 5), together) << format;
    }
  }
}

// A state is written at the end of each evaluation, for the next.
TEST_P(Architecture, RoundsTheStateOfRecurrentLayersAsItIsWritten) {
  if (!load(GetParam())) return;
  const Model model({GetParam()}, {}, Arithmetic::f32);
  Context context(model, kReference);
  const auto is_state = [](const ActivationSite& site) { return site.site.roles == std::vector<std::string>{"state"}; };
  const auto states = std::count_if(context.sites().begin(), context.sites().end(), is_state);
  // Of convolutions alone, the last inputs are kept. (MiniMax-01 has a state without an operation of its own.)
  const bool has_scan = std::any_of(context.graph().begin(), context.graph().end(), [](const GraphNode& node) {
    return node.op == GGML_OP_SSM_SCAN || node.operation.starts_with("RWKV") || node.operation.starts_with("GATED");
  });
  EXPECT_TRUE(states > 0 || !has_scan);
  EXPECT_TRUE(states == 0 || model.has_recurrent_layers());
  if (states == 0) return;
  const auto exact = logits_of(context, 1), exact_together = logits_of(context, kTokens);
  context.set_recipe({parse_rule("a:state=mantissa23")});
  EXPECT_EQ(logits_of(context, 1), exact);
  context.set_recipe({parse_rule("a:state=int8")});
  EXPECT_EQ(logits_of(context, kTokens), exact_together);
  EXPECT_NE(logits_of(context, 5), exact);
  context.set_recipe({parse_rule("a:state=int8")});
  const auto rounded = logits_of(context, 1);
  EXPECT_NE(rounded, exact);
  ASSERT_EQ(context.counters().size(), static_cast<std::size_t>(states));
  // Its rows are the same in every graph.
  logits_of(context, 5);
  for (const auto& counters : context.counters()) {
    const auto& shape = find_site(context.sites(), counters.site)->shape;
    EXPECT_EQ(counters.evaluations, static_cast<std::int64_t>(kTokens + (kTokens + 4) / 5)) << counters.site;
    EXPECT_EQ(counters.columns, shape[0]) << counters.site;
    EXPECT_EQ(counters.errors.elements, counters.evaluations * elements_of(shape)) << counters.site;
    EXPECT_EQ(context.token_dimension(counters.site).kind, TokenDimension::none) << counters.site;
  }
  Context serial(model, {.ctx_size = 64, .threads = 1, .arithmetic = Arithmetic::f32});
  serial.set_recipe({parse_rule("a:state=int8")});
  EXPECT_EQ(logits_of(serial, 1), rounded);
}

TEST_P(Architecture, ComputesTheSameInASharedContext) {
  if (!load(GetParam())) return;
  for (const auto arithmetic : {Arithmetic::f32, Arithmetic::native}) {
    const Model model({GetParam()}, {}, arithmetic);
    auto options = kReference;
    options.arithmetic = arithmetic;
    if (model.has_recurrent_layers()) return;
    const Recipe rules[] = {{}, {parse_rule("a:in(*)=int8")}, {parse_rule("a:logits=bf16")}};
    const auto shared = std::make_shared<SharedContext>(3);
    std::vector<std::unique_ptr<Context>> sharing;
    for (const auto& recipe : rules) {
      sharing.push_back(std::make_unique<Context>(model, options, recipe, ChangedWeights{}, shared));
    }
    // By turns, in the middle of their texts; twice.
    for (int text = 0; text < 2; ++text) {
      std::vector<std::vector<float>> logits(sharing.size());
      for (const auto& context : sharing) context->clear();
      for (const std::size_t begin : {0, 9}) {
        for (std::size_t c = 0; c < sharing.size(); ++c) {
          const auto piece = logits_of_piece(*sharing[c], begin, begin == 0 ? 9 : kTokens - 9);
          logits[c].insert(logits[c].end(), piece.begin(), piece.end());
        }
      }
      for (std::size_t c = 0; c < sharing.size(); ++c) {
        Context alone(model, options, rules[c]);
        auto expected = logits_of_piece(alone, 0, 9);
        const auto rest = logits_of_piece(alone, 9, kTokens - 9);
        expected.insert(expected.end(), rest.begin(), rest.end());
        EXPECT_EQ(logits[c], expected) << to_string(arithmetic) << " " << to_string(rules[c]) << " " << text;
      }
    }
  }
}

TEST_P(Architecture, LeavesLayersOutInReferenceArithmeticToo) {
  if (!load(GetParam())) return;
  const Model model({GetParam()}, {}, Arithmetic::f32);
  Context baseline(model, kReference), whole(model, kReference), begun(model, kReference);
  const auto rules = rules_of_layers(whole);
  HiddenStates states;
  baseline.clear();
  baseline.keep_hidden_states(states);
  logits_of_text(baseline, kTokens);
  const auto& recipe = rules.rbegin()->second;
  whole.set_recipe(recipe);
  begun.set_recipe(recipe);
  const auto expected = logits_of(whole, kTokens);
  begun.clear();
  begun.begin_from(states);
  EXPECT_EQ(logits_of_text(begun, kTokens), expected) << to_string(recipe[0]);
}

TEST_P(Architecture, GivesTheSameLogitsWhereTheLayersBelowARuleAreNotComputedAgain) {
  const auto model = load(GetParam());
  if (!model) return;
  ++models_begun;
  Context baseline(*model, {64, 1}, {}), whole(*model, {64, 1}, {}), begun(*model, {64, 1}, {});
  const auto rules = rules_of_layers(whole);
  ASSERT_GE(rules.size(), 2u);
  bool skips_all = true;
  for (const std::size_t together : {kTokens, std::size_t{5}}) {
    HiddenStates states;
    baseline.clear();
    baseline.keep_hidden_states(states);
    logits_of_text(baseline, together);
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
      const auto& [layer, recipe] = *rule;
      whole.set_recipe(recipe);
      begun.set_recipe(recipe);
      const auto expected = logits_of(whole, together);
      const auto is_expected = [&](const std::vector<float>& logits) {
        return std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)) == 0;
      };
      begun.clear();
      const auto start = begun.begin_from(states);
      EXPECT_EQ(start.layer == 0, !start.why_whole.empty());
      if (start.layer < layer) skips_all = false;
      if (start.layer < layer && together == kTokens) fmt::print("(from {}: {})\n", start.layer, start.why_whole);
      EXPECT_TRUE(is_expected(logits_of_text(begun, together))) << to_string(recipe[0]);
      ASSERT_EQ(begun.counters().size(), whole.counters().size());
      for (std::size_t i = 0; i < whole.counters().size(); ++i) {
        const auto one = begun.counters()[i], other = whole.counters()[i];
        EXPECT_EQ(one.rows, other.rows) << one.site;
        EXPECT_EQ(one.errors.elements, other.errors.elements) << one.site;
        EXPECT_EQ(one.errors.sum_error2, other.errors.sum_error2) << one.site;
      }
      if (together < kTokens) continue;
      // Stopped as soon as anything is computed; then llama.cpp's graph is as it was.
      begun.clear();
      begun.begin_from(states);
      llama_set_abort_callback(
          begun.get(), [](void*) { return true; }, nullptr);
      EXPECT_THROW(logits_of_text(begun, together), Error);
      llama_set_abort_callback(begun.get(), nullptr, nullptr);
      EXPECT_TRUE(is_expected(logits_of(begun, together))) << to_string(recipe[0]);
    }
  }
  if (skips_all) ++models_that_skip;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Architecture);
INSTANTIATE_TEST_SUITE_P(All, Architecture, testing::ValuesIn(architecture_models()), architecture_name);

}  // namespace
}  // namespace fakequant
