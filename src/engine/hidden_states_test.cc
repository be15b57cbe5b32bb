// On a real model: SOURCE names the checkout, which has the demo model.
#include "engine/hidden_states.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <llama.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <tuple>

#include "engine/context.h"
#include "error.h"
#include "gguf/gguf_file.h"

namespace fakequant {
namespace {

constexpr std::size_t kTokens = 40;
constexpr int kLayers = 6, kWidth = 256;

const Model& demo_model() {
  static const Model model({std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf"});
  return model;
}

std::vector<Token> some_tokens() {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < kTokens; ++i) tokens.push_back(static_cast<Token>(i * 37 % 900 + 5));
  return tokens;
}

Context context_with(const std::string& rule, int threads = 1) {
  return {demo_model(), {96, threads}, rule.empty() ? Recipe{} : Recipe{parse_rule(rule)}};
}

// The logits of a text that the caller has begun, evaluated in pieces of so many tokens; of each piece the last
// `outputs`.
std::vector<float> read(Context& context, std::size_t together, std::size_t outputs = kTokens) {
  const auto tokens = some_tokens();
  std::vector<float> logits;
  for (std::size_t begin = 0; begin < kTokens; begin += together) {
    const auto count = std::min(together, kTokens - begin), wanted = std::min(count, outputs);
    context.evaluate({tokens.data() + begin, count}, {count - wanted, wanted});
    for (std::size_t i = count - wanted; i < count; ++i) {
      const auto of_token = context.logits(i);
      logits.insert(logits.end(), of_token.begin(), of_token.end());
    }
  }
  return logits;
}

std::vector<float> read_whole(Context& context, std::size_t together, std::size_t outputs = kTokens) {
  context.clear(7);
  return read(context, together, outputs);
}

HiddenStates states_of(std::size_t together, std::size_t outputs = kTokens, int threads = 1) {
  auto context = context_with("", threads);
  HiddenStates states;
  context.clear();
  context.keep_hidden_states(states);
  read(context, together, outputs);
  return states;
}

// A text that begins at the layer at which it is expected to.
std::vector<float> read_from(Context& context, const HiddenStates& states, int layer, std::size_t together,
                             std::size_t outputs = kTokens) {
  context.clear(7);
  const auto start = context.begin_from(states);
  EXPECT_EQ(start.layer, layer) << start.why_whole;
  EXPECT_EQ(start.why_whole.empty(), layer > 0);
  return read(context, together, outputs);
}

void expect_same_counters(const Context& one, const Context& other) {
  const auto a = one.counters(), b = other.counters();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].site, b[i].site);
    EXPECT_EQ(a[i].evaluations, b[i].evaluations);
    EXPECT_EQ(a[i].rows, b[i].rows);
    EXPECT_EQ(a[i].columns, b[i].columns);
    const auto &x = a[i].errors, &y = b[i].errors;
    EXPECT_EQ(std::tuple(x.elements, x.changed, x.saturated, x.flushed, x.absmax, x.max_abs, x.max_rel),
              std::tuple(y.elements, y.changed, y.saturated, y.flushed, y.absmax, y.max_abs, y.max_rel));
    EXPECT_EQ(std::tuple(x.sum_abs, x.sum_error2, x.sum_signal2, x.sum_cross),
              std::tuple(y.sum_abs, y.sum_error2, y.sum_signal2, y.sum_cross));
  }
}

std::string rule_at(int layer) { return fmt::format("a:ffn_norm@{}=bf16", layer); }

TEST(HiddenStates, AreKeptOfEveryLayerAndToken) {
  const auto baseline = [] {
    auto context = context_with("");
    return read_whole(context, kTokens);
  }();
  auto context = context_with("");
  HiddenStates states;
  context.keep_hidden_states(states);
  EXPECT_EQ(read(context, kTokens), baseline);
  EXPECT_EQ(states.batches.size(), 1u);
  EXPECT_EQ(states.bytes(), kLayers * kTokens * kWidth * sizeof(float));
  // Only of the text that it was asked for, and instead of what was kept before.
  read_whole(context, kTokens);
  EXPECT_EQ(states.batches.size(), 1u);
  context.clear();
  context.keep_hidden_states(states);
  read(context, 16, 1);
  EXPECT_EQ(states.batches.size(), 3u);
  EXPECT_EQ(states.bytes(), ((kLayers - 1) * kTokens + 3) * kWidth * sizeof(float));
}

TEST(HiddenStates, GiveTheSameBitsAsAWholeEvaluationFromEveryLayer) {
  for (const auto& [threads, together] : {std::pair(2, kTokens), std::pair(2, std::size_t{7}),
                                          std::pair(1, std::size_t{16}), std::pair(1, std::size_t{1})}) {
    const auto states = states_of(together, kTokens, threads);
    auto whole = context_with("", threads), begun = context_with("", threads);
    // From the highest layer to the lowest: what a skipped layer did not write is not missed by the next variant.
    for (int layer = kLayers; layer-- > 0;) {
      for (auto* context : {&whole, &begun}) context->set_recipe({parse_rule(rule_at(layer))});
      EXPECT_EQ(read_from(begun, states, layer, together), read_whole(whole, together)) << layer << " " << together;
      expect_same_counters(begun, whole);
    }
  }
}

TEST(HiddenStates, ServeEveryRecipeThatLeavesTheFirstLayerAlone) {
  for (const auto& [rule, layer] :
       std::vector<std::pair<std::string, int>>{{"a:attn_input@3-5=int8", 3},
                                                {"a:ffn_down_input@5=mxfp8,round=stochastic,seed=5", 5},
                                                {"a:l_out@1=int8", 1},
                                                {"a:Kcur@2,4=int4,per=block", 2},
                                                {"a:logits=e4m3", kLayers},
                                                {"a:attn_output_input@4@tokens:20-=int4", 4},
                                                {"a:l_out@0=bf16", 0},
                                                {"a:*=bf16", 0},
                                                {"", kLayers}}) {
    for (const std::size_t outputs : {std::size_t{9}, std::size_t{0}}) {
      const auto states = states_of(16, outputs);
      auto whole = context_with(rule), begun = context_with(rule);
      EXPECT_EQ(read_from(begun, states, layer, 16, outputs), read_whole(whole, 16, outputs)) << rule;
      expect_same_counters(begun, whole);
    }
  }
}

TEST(HiddenStates, LeaveAContextAsItWas) {
  const auto states = states_of(kTokens), one_by_one = states_of(1);
  const auto other = some_tokens()[3];
  auto fresh = context_with(rule_at(2)), used = context_with(rule_at(2));
  const auto expected = read_whole(fresh, kTokens), expected_one_by_one = read_whole(fresh, 1);
  read_from(used, states, 2, kTokens);
  EXPECT_EQ(read_whole(used, kTokens), expected);
  read_from(used, one_by_one, 2, 1);
  EXPECT_EQ(read_whole(used, 1), expected_one_by_one);
  EXPECT_EQ(read_from(used, one_by_one, 2, 1), expected_one_by_one);
  EXPECT_EQ(read_from(used, states, 2, kTokens), expected);
  // As a generation goes on after a prompt.
  read_whole(fresh, 8);
  read_whole(used, 8);
  for (int i = 0; i < 4; ++i) {
    fresh.evaluate({&other, 1});
    used.evaluate({&other, 1});
    EXPECT_TRUE(std::ranges::equal(fresh.logits(0), used.logits(0)));
  }
}

TEST(HiddenStates, AreThoseOfTheRecipeThatTheyWereKeptUnder) {
  auto first = context_with("a:ffn_input@1=int4");
  HiddenStates states;
  first.keep_hidden_states(states);
  read(first, kTokens);
  auto both = context_with("a:ffn_input@1,4=int4"), second = context_with("a:ffn_input@4=int4");
  EXPECT_EQ(read_from(second, states, 4, kTokens), read_whole(both, kTokens));
}

TEST(HiddenStates, SaveTheWorkOfTheLayersBelow) {
  const auto states = states_of(kTokens);
  const auto nodes_computed = [&](int layer) {
    auto context = context_with(rule_at(layer));
    read_from(context, states, layer, kTokens);
    context.clear();
    context.begin_from(states);
    // It is asked after each node that is computed.
    int count = 0;
    llama_set_abort_callback(
        context.get(), [](void* counter) { return ++*static_cast<int*>(counter) < 0; }, &count);
    read(context, kTokens);
    return count;
  };
  const int whole = nodes_computed(0), half = nodes_computed(3), last = nodes_computed(5);
  EXPECT_LT(half, whole * 6 / 10);
  EXPECT_LT(last, whole * 3 / 10);
}

TEST(HiddenStates, AreLookedAtOnlyBelowTheLayerThatIsUnchanged) {
  const auto states = states_of(kTokens);
  auto context = context_with(rule_at(4));
  context.clear();
  EXPECT_EQ(context.begin_from(states, 3).layer, 3);
  EXPECT_EQ(context.begin_from(states, 0).layer, 0);
  EXPECT_EQ(context.begin_from({}).why_whole, "no hidden states were kept");
}

TEST(HiddenStates, LeaveWhatIsToBeShownToBeComputed) {
  const auto states = states_of(kTokens);
  auto context = context_with(rule_at(4));
  std::size_t seen = 0;
  const auto choose = [](const Graph&, const std::vector<ActivationSite>& sites) {
    std::vector<ActivationSite> chosen;
    for (const auto& site : sites) {
      if (site.site.name == "ffn_norm-2") chosen.push_back(site);
    }
    return chosen;
  };
  const auto expected = read_from(context, states, 4, kTokens);
  context.show_values(
      choose, [&](const ActivationSite&, std::span<const float> values, std::int64_t) { seen += values.size(); });
  EXPECT_EQ(read_from(context, states, 2, kTokens), expected);
  EXPECT_EQ(seen, kTokens * kWidth);
}

TEST(HiddenStates, AreNotForOtherTokens) {
  const auto states = states_of(16);
  auto tokens = some_tokens();
  auto context = context_with(rule_at(3));
  const auto begin = [&] {
    context.clear();
    EXPECT_EQ(context.begin_from(states).layer, 3);
  };
  begin();
  EXPECT_THROW(context.evaluate(tokens, {0, kTokens}), Error);  // in other pieces
  begin();
  EXPECT_THROW(context.evaluate({tokens.data(), 16}, {15, 1}), Error);  // with other outputs
  begin();
  tokens[5] += 1;
  EXPECT_THROW(context.evaluate({tokens.data(), 16}, {0, 16}), Error);
  begin();
  read(context, 16);
  EXPECT_THROW(context.evaluate({tokens.data(), 1}), Error);  // after the last that was kept
  // Nor for another recipe, once the text has begun.
  begin();
  context.set_recipe({parse_rule(rule_at(2))});
  EXPECT_THROW(read(context, 16), Error);
  context.set_recipe({parse_rule(rule_at(3))});
  auto fresh = context_with(rule_at(3));
  EXPECT_EQ(read_from(context, states, 3, 16), read_whole(fresh, 16));
}

// More tokens than go through the graph together.
TEST(HiddenStates, ServeAnEvaluationOfSeveralBatches) {
  constexpr std::size_t kMany = 600;
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < kMany; ++i) tokens.push_back(static_cast<Token>(i * 37 % 900 + 5));
  const Recipe recipe{parse_rule(rule_at(4))};
  Context baseline(demo_model(), {kMany, 1}, {}), whole(demo_model(), {kMany, 1}, recipe),
      begun(demo_model(), {kMany, 1}, recipe);
  HiddenStates states;
  baseline.keep_hidden_states(states);
  baseline.evaluate(tokens, {500, 100});
  ASSERT_EQ(states.batches.size(), 2u);
  whole.evaluate(tokens, {500, 100});
  const auto expect_same = [&] {
    for (std::size_t i = 500; i < kMany; ++i) ASSERT_TRUE(std::ranges::equal(begun.logits(i), whole.logits(i))) << i;
  };
  EXPECT_EQ(begun.begin_from(states).layer, 4);
  begun.evaluate(tokens, {500, 100});
  expect_same();
  expect_same_counters(begun, whole);
  // What fails in the first batch does not reach into the graph of the second.
  auto damaged = states;
  for (auto& [node, state] : damaged.batches[0].of_node) state.node = "another";
  begun.clear();
  EXPECT_EQ(begun.begin_from(damaged).layer, 4);
  EXPECT_THROW(begun.evaluate(tokens, {500, 100}), Error);
  begun.clear();
  begun.evaluate(tokens, {500, 100});
  expect_same();
}

using Inputs = std::map<std::string, std::vector<float>>;  // all rows that the product with each weight reads

InputViewer into(Inputs& inputs) {
  return [&inputs](const ProductInput& input) {
    auto& rows = inputs[input.weight];
    rows.insert(rows.end(), input.row.begin(), input.row.end());
  };
}

TEST(HiddenStates, AreCarriedThroughTheModelALayerAtATime) {
  constexpr std::size_t kMany = 600;  // in two batches
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < kMany; ++i) tokens.push_back(static_cast<Token>(i * 37 % 900 + 5));
  Context context(demo_model(), {kMany, 1}, {});
  Inputs expected, found;
  context.show_inputs(into(expected));
  context.evaluate(tokens, {0, kMany});
  HiddenStates states;
  std::vector<int> computed;
  for (int layer = 0; layer <= kLayers; ++layer) {
    context.show_inputs(into(found),
                        [&](const std::string& weight) { return layer_of_tensor(weight).value_or(kLayers) == layer; });
    context.clear();
    HiddenStates carried;
    EXPECT_EQ(context.carry(states, carried, layer).layer, std::max(layer - 1, 0));
    int count = 0;
    llama_set_abort_callback(
        context.get(), [](void* counter) { return ++*static_cast<int*>(counter) < 0; }, &count);
    context.evaluate(tokens, {0, kMany});
    llama_set_abort_callback(context.get(), nullptr, nullptr);
    computed.push_back(count);
    states = std::move(carried);
    EXPECT_EQ(states.bytes(), layer == 0 ? 0 : kMany * kWidth * sizeof(float));
  }
  EXPECT_EQ(found, expected);
  // Two layers each time, and the output once.
  EXPECT_LT(computed[3], computed[1] * 11 / 10);
  EXPECT_LT(computed[0], computed[1]);
  // The graph is left as it was.
  Context fresh(demo_model(), {kMany, 1}, {});
  context.clear();
  for (auto* each : {&context, &fresh}) each->evaluate(tokens, {0, kMany});
  for (std::size_t i = 0; i < kMany; ++i) ASSERT_TRUE(std::ranges::equal(context.logits(i), fresh.logits(i))) << i;
}

// Whatever goes wrong, the next evaluation finds the graph as llama.cpp made it, though llama.cpp uses it again.
TEST(HiddenStates, LeaveNothingSkippedBehindWhenAnEvaluationFails) {
  for (const std::size_t together : {kTokens, std::size_t{1}}) {
    const auto states = states_of(together);
    auto fresh = context_with(rule_at(3)), context = context_with(rule_at(3));
    const auto expected = read_whole(fresh, together);
    EXPECT_EQ(read_from(context, states, 3, together), expected);
    const auto expect_failure = [&](const HiddenStates& given, const char* message) {
      context.clear();
      EXPECT_EQ(context.begin_from(given).layer, 3);
      try {
        read(context, together);
        ADD_FAILURE() << message;
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr(message));
      }
      llama_set_abort_callback(context.get(), nullptr, nullptr);
      EXPECT_EQ(read_whole(context, together), expected) << message;
      EXPECT_EQ(read_from(context, states, 3, together), expected) << message;
    };
    // llama.cpp is stopped, before the layer is reached and after it.
    for (const bool at_once : {true, false}) {
      int left = at_once ? 0 : 12;
      llama_set_abort_callback(
          context.get(), [](void* counter) { return (*static_cast<int*>(counter))-- <= 0; }, &left);
      expect_failure(states, "llama.cpp cannot evaluate");
    }
    // Values do not fit.
    auto damaged = states;
    for (auto& batch : damaged.batches) {
      for (auto& [node, state] : batch.of_node) state.data.pop_back();
    }
    expect_failure(damaged, "no values were kept that fit l_out-2");
  }
}

}  // namespace
}  // namespace fakequant
