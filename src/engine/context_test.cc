// On a real model: SOURCE names the checkout, which has the demo model.
#include "engine/context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "error.h"
#include "format/fake_quantize.h"

namespace fakequant {
namespace {

constexpr int kContext = 96;

std::string demo_path() { return std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf"; }

const Model& demo_model() {
  static const Model model({demo_path()});
  return model;
}

// Its products with F16 weights read F16; those of packed layouts may not.
const Model& plain_demo_model() {
  static const Model model({demo_path()}, {.repack = false});
  return model;
}

const Model& exact_demo_model() {
  static const Model model({demo_path()}, {}, Arithmetic::f32);
  return model;
}

Recipe recipe_of(const std::vector<std::string>& rules) {
  Recipe recipe;
  for (const auto& rule : rules) recipe.push_back(parse_rule(rule));
  return recipe;
}

std::vector<Token> some_tokens(std::size_t count) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(static_cast<Token>(i * 37 % 900 + 5));
  return tokens;
}

// The logits after each token, evaluated in pieces of so many tokens.
std::vector<float> logits_of(Context& context, const std::vector<Token>& tokens, std::size_t together) {
  context.clear(3);
  std::vector<float> logits;
  for (std::size_t begin = 0; begin < tokens.size(); begin += together) {
    const auto count = std::min(together, tokens.size() - begin);
    context.evaluate({tokens.data() + begin, count}, {0, count});
    for (std::size_t i = 0; i < count; ++i) {
      const auto of_token = context.logits(i);
      logits.insert(logits.end(), of_token.begin(), of_token.end());
    }
  }
  return logits;
}

std::vector<float> logits_under(const std::vector<std::string>& rules, std::size_t together, int threads = 2) {
  Context context(demo_model(), {kContext, threads}, recipe_of(rules));
  return logits_of(context, some_tokens(40), together);
}

std::vector<float> baseline() {
  Context context(demo_model(), {kContext, 2});
  return logits_of(context, some_tokens(40), 40);
}

TEST(Context, ComputesTheSameBitsUnderATapThatChangesNothing) {
  EXPECT_EQ(logits_under({}, 40), baseline());
  EXPECT_EQ(logits_under({"a:*=mantissa23"}, 40), baseline());
  EXPECT_EQ(logits_under({"a:in(*)=mantissa23", "a:logits=mantissa23"}, 7), baseline());
  EXPECT_NE(logits_under({"a:ffn_input=bf16"}, 40), baseline());
}

TEST(Context, ComputesTheSameBitsWhereAKernelRoundsAsTheRuleDoes) {
  Context untouched(plain_demo_model(), {kContext, 2});
  Context rounded(plain_demo_model(), {kContext, 2}, recipe_of({"a:ffn_input=f16"}));
  EXPECT_EQ(logits_of(rounded, some_tokens(40), 40), logits_of(untouched, some_tokens(40), 40));
}

TEST(Context, RoundsTheSameWhateverIsEvaluatedTogetherAndWithHoweverManyThreads) {
  for (const std::vector<std::string>& rules : {std::vector<std::string>{"a:*=bf16"},
                                                {"a:in(*)=int8"},
                                                {"a:in(*)=mxfp8,round=stochastic,seed=5"},
                                                {"a:attn_output_input=nvfp4"},
                                                {"a:Qcur=int8,per=row", "a:Kcur#0=int4,per=block"},
                                                {"a:logits=e4m3"},
                                                {"a:ffn_input@tokens:3-20=int4", "a:attn_input@2@tokens:0,30-=int3"}}) {
    const auto together = logits_under(rules, 40);
    EXPECT_NE(together, baseline()) << rules[0];
    for (const std::size_t pieces : {1, 7, 16}) EXPECT_EQ(logits_under(rules, pieces, 1), together) << rules[0];
  }
}

TEST(Context, TakesAnotherRecipeBetweenTwoEvaluations) {
  const auto tokens = some_tokens(40);
  Context context(demo_model(), {kContext, 2}, {});
  EXPECT_EQ(logits_of(context, tokens, 40), baseline());
  EXPECT_TRUE(context.counters().empty());
  context.set_recipe(recipe_of({"a:ffn_input=int8"}));
  EXPECT_EQ(logits_of(context, tokens, 40), logits_under({"a:ffn_input=int8"}, 40));
  context.set_recipe(recipe_of({"a:attn_input@0=int4"}));
  EXPECT_EQ(logits_of(context, tokens, 40), logits_under({"a:attn_input@0=int4"}, 40));
  ASSERT_EQ(context.counters().size(), 1u);
  EXPECT_EQ(context.counters()[0].errors.elements, 40 * 256);
  context.set_recipe({});
  EXPECT_EQ(logits_of(context, tokens, 40), baseline());
  EXPECT_THROW(context.set_recipe(recipe_of({"a:nothing=bf16"})), Error);
}

TEST(Context, IsLeftAsItWasByARecipeThatMatchesNothing) {
  Context context(demo_model(), {kContext, 2}, recipe_of({"a:ffn_input=int8"}));
  EXPECT_THROW(context.set_recipe(recipe_of({"a:nothing=bf16"})), Error);
  EXPECT_EQ(logits_of(context, some_tokens(40), 40), logits_under({"a:ffn_input=int8"}, 40));
}

std::vector<float> exact_logits_under(const std::vector<std::string>& rules, std::size_t together, int threads = 2) {
  Context context(exact_demo_model(), {.ctx_size = kContext, .threads = threads, .arithmetic = Arithmetic::f32},
                  recipe_of(rules));
  return logits_of(context, some_tokens(40), together);
}

TEST(Context, KeepsTheSumsOfProductsAsRulesSay) {
  const auto exact = exact_logits_under({}, 40);
  EXPECT_EQ(exact_logits_under({"a:out(*)=mantissa23"}, 40), exact);
  EXPECT_EQ(exact_logits_under({"a:out(*)=mantissa23,acc=f32"}, 40), exact);
  const std::vector<std::string> narrow = {"a:out(ffn_up)@2-3=mantissa23,acc=e8m7,every=32"};
  const auto kept = exact_logits_under(narrow, 40);
  EXPECT_NE(kept, exact);
  for (const std::size_t pieces : {1, 7}) EXPECT_EQ(exact_logits_under(narrow, pieces, 1), kept);
  // The last rule of a site wins, with its accumulator.
  EXPECT_EQ(exact_logits_under({narrow[0], "a:ffn_up=mantissa23"}, 40), exact);
  // Sums that are never rounded before their end are rounded results, but for the order of the sum.
  const auto at_the_end = exact_logits_under({"a:out(ffn_up)=mantissa23,acc=e8m7,every=4096"}, 40);
  const auto rounded = exact_logits_under({"a:out(ffn_up)=bf16"}, 40);
  const auto distance = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
  };
  EXPECT_LT(distance(at_the_end, rounded), 0.3 * distance(rounded, exact));
}

TEST(Context, ForgetsAccumulatorsWithTheirRecipe) {
  const auto tokens = some_tokens(40);
  Context context(exact_demo_model(), {.ctx_size = kContext, .threads = 2, .arithmetic = Arithmetic::f32}, {});
  const auto exact = logits_of(context, tokens, 40);
  const std::vector<std::string> rules = {"a:out(matrices)=mantissa23,acc=e5m10"};
  context.set_recipe(recipe_of(rules));
  EXPECT_EQ(logits_of(context, tokens, 40), exact_logits_under(rules, 40));
  EXPECT_EQ(context.counters().front().format, "mantissa23,acc=e5m10");
  EXPECT_EQ(context.counters().front().errors.changed, 0);
  EXPECT_THROW(context.set_recipe(recipe_of({"a:out(nothing)=mantissa23,acc=e8m1"})), Error);
  EXPECT_EQ(logits_of(context, tokens, 40), exact_logits_under(rules, 40));
  context.set_recipe({});
  EXPECT_EQ(logits_of(context, tokens, 40), exact);
  EXPECT_THROW(Context(demo_model(), {kContext, 2}, recipe_of(rules)), Error);  // in native arithmetic
}

// How many of the first tokens have the same logits.
std::size_t same_tokens(const std::vector<float>& a, const std::vector<float>& b) {
  const auto width = static_cast<std::size_t>(demo_model().vocabulary_size());
  const auto first = static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
  return first / width;
}

class RoundedCache : public testing::Test {
 protected:
  std::vector<float> logits(const std::vector<std::string>& rules, std::size_t together = 40) {
    context_.set_recipe(recipe_of(rules));
    return logits_of(context_, some_tokens(40), together);
  }
  // How many tokens a rule leaves as they are.
  std::size_t unchanged(const std::string& rule) { return same_tokens(logits({rule}), exact_); }

  const ContextOptions options_{.ctx_size = kContext, .threads = 1, .arithmetic = Arithmetic::f32};
  Context context_{exact_demo_model(), options_, {}};
  const std::vector<float> exact_ = logits({});
};

TEST_F(RoundedCache, IsReadInFullByQueriesThatKeepIt) {
  for (const std::string role : {"a:k_cache", "a:v_cache"}) {
    EXPECT_EQ(logits({role + "=int2,keep=recent:40"}), exact_);
    const auto plain = logits({role + "=int2"});
    EXPECT_EQ(logits({role + "=int2,keep=sink:0,recent:0"}), plain);
    EXPECT_NE(plain, exact_);
    // In the last layer a token differs as soon as its query reads one that is rounded.
    EXPECT_EQ(unchanged(role + "@5=int2,keep=recent:9"), 9u);
    EXPECT_EQ(unchanged(role + "@5=int2,keep=sink:4"), 4u);
  }
  EXPECT_EQ(unchanged("a:k_cache@5=int2,keep=sink:4,recent:9"), 13u);
}

TEST_F(RoundedCache, IsReadInFullUntilAGroupIsComplete) {
  for (const std::string role : {"a:k_cache", "a:v_cache"}) {
    const auto rule = role + "@5=int2,mode=asym,per=channel,group=";
    EXPECT_EQ(logits({rule + "41"}), exact_);
    EXPECT_EQ(unchanged(rule + "40"), 39u);
    EXPECT_EQ(unchanged(rule + "8"), 7u);
    EXPECT_EQ(unchanged(rule + "8,keep=recent:20"), 20u);
  }
  EXPECT_EQ(unchanged("a:k_cache@5=int2,mode=asym,per=channel,group=8,keep=sink:3"), 10u);
}

TEST_F(RoundedCache, IsReadTheSameWhateverIsEvaluatedTogether) {
  const std::vector<std::string> rules = {"a:k_cache=int2,mode=asym,per=channel,group=6,keep=sink:2,recent:5",
                                          "a:v_cache=int2,mode=asym,per=block,keep=recent:11"};
  const auto together = logits(rules);
  EXPECT_NE(together, exact_);
  for (const std::size_t pieces : {1, 7, 16}) EXPECT_EQ(logits(rules, pieces), together) << pieces;
  EXPECT_EQ(exact_logits_under(rules, 7, 2), together) << "threads";
  // And in a context that is shared, by turns, and after a part was forgotten.
  const auto tokens = some_tokens(40);
  const auto shared = std::make_shared<SharedContext>(2);
  Context exact(exact_demo_model(), options_, {}, {}, shared),
      rounded(exact_demo_model(), options_, recipe_of(rules), {}, shared);
  for (auto* context : {&exact, &rounded, &exact, &rounded}) context->evaluate({tokens.data(), 10});
  std::vector<float> last;
  for (auto* context : {&exact, &rounded}) {
    context->forget_from(10);
    context->evaluate({tokens.data() + 10, 30});
    last.assign(context->logits(29).begin(), context->logits(29).end());
  }
  EXPECT_EQ(last, std::vector<float>(together.end() - static_cast<std::ptrdiff_t>(last.size()), together.end()));
}

// A place is free again, and empty, once the context that had it is gone.
TEST_F(RoundedCache, OfAContextThatLeftIsForgotten) {
  const auto tokens = some_tokens(20);
  const auto shared = std::make_shared<SharedContext>(2);
  Context first(exact_demo_model(), options_, {}, {}, shared);
  const auto last_logits = [&](Context& context) {
    context.evaluate(tokens);
    return std::vector<float>(context.logits(19).begin(), context.logits(19).end());
  };
  const auto expected = last_logits(first);
  for (int i = 0; i < 3; ++i) {
    Context second(exact_demo_model(), options_, {}, {}, shared);
    EXPECT_EQ(last_logits(second), expected);
    EXPECT_THROW(Context(exact_demo_model(), options_, {}, {}, shared), Error);
  }
}

TEST_F(RoundedCache, HasTheChannelsOfAGroupAsRows) {
  for (const std::string role : {"k_cache", "v_cache"}) {
    std::vector<float> values;  // [token][head][channel of it]
    context_.observe(recipe_of({"a:" + role + "@0=int2"}),
                     [&](const ActivationSite&, std::span<const float> run, std::int64_t) {
                       values.insert(values.end(), run.begin(), run.end());
                     });
    logits({"a:" + role + "@0=int2,mode=asym,per=channel,group=8"}, 7);
    context_.observe({}, {});
    constexpr std::size_t kGroup = 8, kWidth = 128;
    ASSERT_EQ(values.size(), 40 * kWidth);
    const auto format = parse_format("int2,mode=asym,per=row");
    RoundingErrors expected;
    for (std::size_t first = 0; first < 40; first += kGroup) {
      for (std::size_t c = 0; c < kWidth; ++c) {
        std::vector<float> channel;
        for (auto t = first; t < first + kGroup; ++t) channel.push_back(values[t * kWidth + c]);
        expected.add(fake_quantize(format, channel));
      }
    }
    const auto counters = context_.counters();
    EXPECT_EQ(counters[0].errors.changed, expected.changed) << role;
    EXPECT_NEAR(counters[0].errors.sum_error2 / expected.sum_error2, 1, 1e-12) << role;
    // Each value is put back where it was: with a scale of its own it stays the same.
    EXPECT_EQ(logits({"a:" + role + "=int2,per=channel,group=1"}), exact_);
    const auto close = logits({"a:" + role + "=int16,per=channel,group=8"});
    for (std::size_t i = 0; i < close.size(); ++i) ASSERT_NEAR(close[i], exact_[i], 0.05) << role;
  }
}

TEST_F(RoundedCache, CountsTheValuesThatAreRounded) {
  logits({"a:k_cache@1=int2,per=channel,group=16", "a:v_cache@1=int4,keep=sink:4,recent:8"}, 9);
  const auto counters = context_.counters();
  ASSERT_EQ(counters.size(), 2u);
  const auto& keys = counters[counters[0].site == "k_cache-1" ? 0 : 1];
  const auto& values = counters[counters[0].site == "k_cache-1" ? 1 : 0];
  EXPECT_EQ(keys.format, "int2,per=channel,group=16");
  EXPECT_EQ(keys.columns, 16);
  EXPECT_EQ(keys.rows, 2 * 128);  // of two heads of 64 channels
  EXPECT_EQ(values.rows, 36 * 2);
}

TEST(Context, RefusesToKeepTokensOfTheCacheWhereItComputesNoProducts) {
  const auto refusal_in = [&](const ContextOptions& options, const std::string& rule) -> std::string {
    try {
      Context(options.arithmetic == Arithmetic::f32 ? exact_demo_model() : demo_model(), options, recipe_of({rule}));
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::usage);
      return error.what();
    }
    return "accepted";
  };
  const ContextOptions native{kContext, 2};
  ContextOptions fused{.ctx_size = kContext, .threads = 2, .arithmetic = Arithmetic::f32};
  fused.attention.flash = FlashAttention::on;
  for (const auto* rule : {"a:k_cache=int4,keep=recent:8", "a:k_cache=int4,per=channel"}) {
    EXPECT_THAT(refusal_in(native, rule), testing::HasSubstr("need f32 arithmetic"));
    EXPECT_THAT(refusal_in(fused, rule), testing::HasSubstr("with flash attention off"));
  }
  EXPECT_EQ(refusal_in(native, "a:k_cache=int4,keep=sink:8"), "accepted");
}

TEST(Context, TakesAnotherRecipeInTheMiddleOfAText) {
  const auto tokens = some_tokens(40);
  const std::span<const Token> all(tokens);
  const auto run = [&](bool replaces) {
    Context context(
        demo_model(), {kContext, 2},
        recipe_of(replaces ? std::vector<std::string>{"a:ffn_input=int8"}
                           : std::vector<std::string>{"a:ffn_input@tokens:0-22=int8", "a:attn_input@tokens:23-=e4m3"}));
    context.evaluate(all.first(23));
    if (replaces) context.set_recipe(recipe_of({"a:attn_input=e4m3"}));
    context.evaluate(all.subspan(23), {0, 17});
    std::vector<float> logits;
    for (std::size_t i = 0; i < 17; ++i) {
      const auto of_token = context.logits(i);
      logits.insert(logits.end(), of_token.begin(), of_token.end());
    }
    return logits;
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(Context, RoundsOnlyTheTokensThatAreNamed) {
  Context context(demo_model(), {kContext, 2}, recipe_of({"a:ffn_norm@1@tokens:5-7=int4", "a:Qcur@2@tokens:39-=int4"}));
  logits_of(context, some_tokens(40), 40);
  const auto counters = context.counters();
  ASSERT_EQ(counters.size(), 2u);
  EXPECT_EQ(counters[0].site, "ffn_norm-1");
  EXPECT_EQ(counters[0].rows, 3);
  EXPECT_EQ(counters[0].errors.elements, 3 * 256);
  EXPECT_EQ(counters[1].rows, 4);  // heads of one token
  EXPECT_EQ(counters[1].errors.elements, 256);
}

TEST(Context, ShowsAnObserverWhatIsComputed) {
  Context context(demo_model(), {kContext, 2}, {});
  std::size_t seen = 0;
  std::set<std::string> sites;
  context.observe(recipe_of({"a:ffn_input=int2", "a:logits=int2"}),
                  [&](const ActivationSite& site, std::span<const float> values, std::int64_t columns) {
                    EXPECT_EQ(columns, site.site.is_logits ? demo_model().vocabulary_size() : 256);
                    seen += values.size();
                    sites.insert(site.site.name);
                  });
  EXPECT_EQ(logits_of(context, some_tokens(40), 40), baseline());
  EXPECT_EQ(seen, 40u * (6 * 256 + static_cast<std::size_t>(demo_model().vocabulary_size())));
  EXPECT_EQ(sites.size(), 7u);
}

// The sites whose names begin so.
SiteChoice sites_with(const std::string& beginning) {
  return [beginning](const Graph&, const std::vector<ActivationSite>& sites) {
    std::vector<ActivationSite> chosen;
    for (const auto& site : sites) {
      if (site.site.name.starts_with(beginning)) chosen.push_back(site);
    }
    return chosen;
  };
}

TEST(Context, ShowsAViewerWhatIsLeftBehindTheRounding) {
  const auto rules = recipe_of({"a:ffn_norm@1=int2", "a:ffn_inp@tokens:3-5=bf16"});
  Context context(demo_model(), {kContext, 2}, rules);
  std::map<std::string, std::vector<float>> seen;
  const auto view = [&](const ActivationSite& site, std::span<const float> values, std::int64_t columns) {
    EXPECT_EQ(columns, 256);
    auto& all = seen[site.site.name];
    all.insert(all.end(), values.begin(), values.end());
  };
  context.show_values(sites_with("ffn_norm"), view);
  const auto expected = logits_under({"a:ffn_norm@1=int2", "a:ffn_inp@tokens:3-5=bf16"}, 40);
  EXPECT_EQ(logits_of(context, some_tokens(40), 16), expected);  // seeing changes nothing
  ASSERT_EQ(seen.size(), 6u);
  for (const auto& [name, values] : seen) {
    ASSERT_EQ(values.size(), 40u * 256) << name;
    const std::set<float> codes(values.begin(), values.begin() + 256);  // of one token
    EXPECT_EQ(codes.size() == 3, name == "ffn_norm-1") << name;
  }
  EXPECT_EQ(context.counters().size(), 7u);

  // Without rules, and then not at all.
  seen.clear();
  context.set_recipe({});
  EXPECT_EQ(logits_of(context, some_tokens(40), 40), baseline());
  EXPECT_EQ(seen.size(), 6u);
  seen.clear();
  context.show_values({}, {});
  EXPECT_EQ(logits_of(context, some_tokens(40), 40), baseline());
  EXPECT_TRUE(seen.empty());
}

TEST(Context, RoundsCopiesBesideWhatIsComputed) {
  // Each by itself, as a rule alone would: in layer 0 what comes in is the baseline's. Each value that a rule does not
  // name stays as it is in its copy.
  const std::vector<std::string> rules = {"a:ffn_input@0=int4", "a:ffn_input@0=int8", "a:in(attn_q)@0@tokens:3-9=e4m3",
                                          "a:kqv_out@0=mxfp4"};
  Context context(demo_model(), {kContext, 2}, {});
  std::vector<double> errors(rules.size());
  std::vector<std::size_t> values(rules.size());
  context.round_copies(recipe_of(rules),
                       [&](std::size_t rule, const ActivationSite& site, std::span<const float> before,
                           std::span<const float> after, std::int64_t columns) {
                         EXPECT_EQ(site.site.layer, 0);
                         EXPECT_EQ(columns, rule == 3 ? 64 : 256);
                         for (std::size_t i = 0; i < before.size(); ++i)
                           errors[rule] += std::pow(after[i] - before[i], 2);
                         values[rule] += before.size();
                       });
  EXPECT_EQ(logits_of(context, some_tokens(40), 16), baseline());
  for (std::size_t r = 0; r < rules.size(); ++r) {
    EXPECT_EQ(values[r], 40u * 256) << rules[r];
    Context alone(demo_model(), {kContext, 2}, recipe_of({rules[r]}));
    logits_of(alone, some_tokens(40), 16);
    ASSERT_EQ(alone.counters().size(), 1u);
    EXPECT_GT(errors[r], 0);
    EXPECT_NEAR(errors[r] / alone.counters()[0].errors.sum_error2, 1, 1e-5) << rules[r];
  }
  values.assign(rules.size(), 0);
  context.round_copies({}, {});
  EXPECT_EQ(logits_of(context, some_tokens(40), 40), baseline());
  EXPECT_EQ(values[0], 0u);
}

TEST(Context, PassesOnWhatAViewerThrows) {
  Context context(demo_model(), {kContext, 1}, {});
  context.show_values(sites_with("ffn_norm-3"),
                      [](const ActivationSite&, std::span<const float>, std::int64_t) { throw Error("seen enough"); });
  EXPECT_THROW(logits_of(context, some_tokens(40), 40), Error);
  context.show_values({}, {});
  EXPECT_EQ(logits_of(context, some_tokens(40), 40), baseline());
}

TEST(Context, WithoutATapRefusesWhatNeedsOne) {
  Context context(demo_model(), {kContext, 1});
  EXPECT_THROW(context.set_recipe({}), Error);
  EXPECT_THROW(context.sites(), Error);
  EXPECT_THROW(context.graph({2, 2}), Error);
  HiddenStates states;
  EXPECT_THROW(context.keep_hidden_states(states), Error);
  EXPECT_TRUE(context.counters().empty());
}

TEST(Context, KnowsWhoReadsAValueAndWhatTheKernelsRoundItTo) {
  Context context(plain_demo_model(), {kContext, 1}, {});
  const auto& sites = context.sites();
  const auto find = [&](const std::string& name) {
    return std::find_if(sites.begin(), sites.end(), [&](const auto& site) { return site.site.name == name; });
  };
  const auto input = find("ffn_norm-2");
  ASSERT_NE(input, sites.end());
  ASSERT_EQ(input->readers.size(), 2u);
  for (const auto& reader : input->readers) {
    EXPECT_EQ(reader.operation, "MUL_MAT");
    EXPECT_EQ(reader.rounds_to, "F16");
  }
  EXPECT_EQ(find("Qcur-2")->site.node_names.front().occurrence, 1);
  EXPECT_EQ(find("Qcur-2#0")->operation, "MUL_MAT");
  EXPECT_EQ(find("kqv_out-2")->operation, "FLASH_ATTN_EXT");  // the name is that of a reshape
  const auto residual = other_readers(parse_rule("a:in(attn_q)=bf16"), *find("attn_norm-1"), 6);
  EXPECT_EQ(residual.size(), 2u);  // attn_k and attn_v
}

}  // namespace
}  // namespace fakequant
