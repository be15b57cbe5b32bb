// The C++ interface, used as a program outside of the tree uses it: sessions, errors, progress, stopping, and eight
// threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <cstdlib>
#include <fakequant/fakequant.hpp>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <vector>

namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kThreads = 8;

std::string demo(const std::string& name) { return std::string(std::getenv("SOURCE")) + "/demo/" + name; }
std::string demo_model() { return demo("fakequant-demo-4m-f16.gguf"); }

fakequant::Session demo_session() { return fakequant::Session(demo_model(), {.threads = 1}); }

fakequant::EvalOptions few_chunks() { return {.ctx_size = 16, .chunks = 2}; }

const std::vector<fakequant::Text> kTexts = {{demo("heldout.txt")}};
const std::vector<fakequant::Variant> kVariants = {{"w4", {"w:matrices=int4,per=block,block=32"}},
                                                   {"a8", {"a:ffn_input=e4m3,per=token"}}};

// Of the Error that the work throws; empty where it throws none.
template <typename Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const fakequant::Error& error) {
    return error.what();
  }
  return {};
}

void expect_same(const fakequant::Evaluation& a, const fakequant::Evaluation& b) {
  EXPECT_EQ(a.baseline_ppl.value, b.baseline_ppl.value);
  ASSERT_EQ(a.variants.size(), b.variants.size());
  for (std::size_t v = 0; v < a.variants.size(); ++v) {
    EXPECT_EQ(a.variants[v].figures.kld.value, b.variants[v].figures.kld.value);
    EXPECT_EQ(a.variants[v].figures.ppl.value, b.variants[v].figures.ppl.value);
  }
}

TEST(Session, MeasuresVariantsOfOneModel) {
  auto session = demo_session();
  EXPECT_EQ(session.model(), demo_model());
  EXPECT_GT(session.layers(), 0);
  EXPECT_GT(session.vocabulary_size(), 0);
  EXPECT_GE(session.trained_context(), 64);
  EXPECT_EQ(session.arithmetic(), fakequant::Arithmetic::f32);
  auto variants = kVariants;
  variants.push_back({"same"});
  const auto result = session.evaluate(variants, kTexts, few_chunks());
  EXPECT_FALSE(result.is_interrupted);
  EXPECT_EQ(result.chunks, 2);
  EXPECT_EQ(result.tokens_scored, 2 * 7);
  EXPECT_NEAR(result.baseline_bits, 16, 0.1);  // norms are in F32
  ASSERT_THAT(result.variants, SizeIs(3));
  const auto& w4 = result.variants[0];
  const auto& a8 = result.variants[1];
  EXPECT_GT(w4.figures.kld.value, a8.figures.kld.value);
  EXPECT_GT(a8.figures.kld.value, 0);
  EXPECT_LT(w4.bits_per_weight, 6);
  EXPECT_EQ(result.variants[2].figures.kld.value, 0);
  EXPECT_EQ(result.variants[2].figures.top1_agreement.value, 1);
  ASSERT_FALSE(w4.weights.empty());
  EXPECT_GT(w4.weights[0].counts.changed, 0);
  EXPECT_THAT(w4.activations, IsEmpty());
  ASSERT_THAT(a8.activations, SizeIs(session.layers()));
  EXPECT_EQ(a8.activations[0].site, "ffn_norm-0");
  EXPECT_GT(a8.activations[0].counts.elements, 0);
  ASSERT_THAT(result.texts, SizeIs(1));
  EXPECT_EQ(result.texts[0].chunks, 2);
  expect_same(session.evaluate(variants, kTexts, few_chunks()), result);
  EXPECT_EQ(session.evaluate({}, kTexts, few_chunks()).baseline_ppl.value, result.baseline_ppl.value);
}

TEST(Session, GoesOnAfterErrors) {
  auto session = demo_session();
  const auto expected = session.evaluate(kVariants, kTexts, few_chunks());
  const auto evaluate = [&](const std::vector<fakequant::Variant>& variants,
                            const std::vector<fakequant::Text>& texts = kTexts) {
    return error_of([&] { session.evaluate(variants, texts, few_chunks()); });
  };
  EXPECT_THAT(evaluate({{"x", {"w:nothing=int4"}}}), HasSubstr("variant x: "));
  EXPECT_THAT(evaluate({{"x", {"a:nothing=int4"}}}), HasSubstr("nothing"));
  EXPECT_THAT(evaluate({{"x", {"w:matrices=int99"}}}), HasSubstr("int99"));
  EXPECT_THAT(evaluate({{"x"}, {"x"}}), HasSubstr("two variants are called 'x'"));
  EXPECT_THAT(evaluate({{"x", {}, {.arithmetic = "native"}}}), HasSubstr("the session computes in f32"));
  EXPECT_THAT(evaluate({{"x", {"w:matrices=int4"}, {}, demo_model()}}), HasSubstr("give one"));
  EXPECT_THAT(evaluate(kVariants, {{"/nowhere.txt"}}), HasSubstr("/nowhere.txt"));
  EXPECT_THAT(evaluate(kVariants, {{"short", "Too short."}}), HasSubstr("the text short has"));
  EXPECT_THAT(evaluate(kVariants, {}), HasSubstr("there is no text"));
  EXPECT_THAT(error_of([&] { session.evaluate(kVariants, kTexts, {.ctx_size = -1}); }), HasSubstr("-1 tokens"));
  expect_same(session.evaluate(kVariants, kTexts, few_chunks()), expected);
  try {
    session.evaluate({{"x", {"nonsense"}}}, kTexts);
    FAIL();
  } catch (const fakequant::Error& error) {
    EXPECT_EQ(error.failure(), fakequant::Failure::usage);
  }
}

TEST(Session, RefusesWhatIsNoModel) {
  EXPECT_THAT(error_of([] { fakequant::Session("/nowhere.gguf"); }), HasSubstr("/nowhere.gguf"));
  EXPECT_THAT(error_of([] { fakequant::Session session(demo("heldout.txt")); }), HasSubstr("heldout.txt"));
  EXPECT_THAT(error_of([] { fakequant::Session session(demo_model(), {.threads = -1}); }), HasSubstr("-1 threads"));
  EXPECT_THAT(error_of([] { fakequant::Session session(demo_model(), {.attention = {.k = "q9"}}); }),
              HasSubstr("'q9' is no type of the cache"));
}

TEST(Session, ReportsProgress) {
  auto session = demo_session();
  auto options = few_chunks();
  std::vector<fakequant::EvalProgress> reports;
  options.progress = [&](const fakequant::EvalProgress& progress) { reports.push_back(progress); };
  const auto result = session.evaluate(kVariants, kTexts, options);
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[0].done, 0.5);
  EXPECT_EQ(reports[1].done, 1);
  EXPECT_EQ(reports[1].chunks, 2);
  EXPECT_EQ(reports[1].baseline_ppl, result.baseline_ppl.value);
  EXPECT_EQ(reports[1].variants.at(0), result.variants[0].figures.ppl.value);
}

TEST(Session, StopsWithWhatThereIs) {
  auto session = demo_session();
  auto options = few_chunks();
  options.chunks = 1;
  const auto one = session.evaluate(kVariants, kTexts, options);
  options.chunks = 0;
  std::stop_source source;
  options.stop = source.get_token();
  options.progress = [&](const fakequant::EvalProgress&) { source.request_stop(); };
  const auto stopped = session.evaluate(kVariants, kTexts, options);
  EXPECT_TRUE(stopped.is_interrupted);
  EXPECT_EQ(stopped.chunks, 1);
  expect_same(stopped, one);
  const auto nothing = session.evaluate(kVariants, kTexts, options);
  EXPECT_TRUE(nothing.is_interrupted);
  EXPECT_EQ(nothing.chunks, 0);
  EXPECT_TRUE(std::isnan(nothing.baseline_ppl.value));
  EXPECT_TRUE(std::isnan(nothing.variants.at(0).figures.kld.value));
}

TEST(Session, EndsByWhatACallbackThrows) {
  auto session = demo_session();
  auto options = few_chunks();
  options.progress = [](const fakequant::EvalProgress&) { throw std::runtime_error("enough"); };
  EXPECT_EQ(error_of([&] { session.evaluate(kVariants, kTexts, options); }), "enough");
  expect_same(session.evaluate(kVariants, kTexts, few_chunks()),
              demo_session().evaluate(kVariants, kTexts, few_chunks()));
}

TEST(Session, MeasuresOtherModelsAsTheyAre) {
  auto session = demo_session();
  const auto result = session.evaluate({{"itself", {}, {}, demo_model()}}, kTexts, few_chunks());
  EXPECT_EQ(result.variants.at(0).figures.kld.value, 0);
}

TEST(Sessions, WorkInEightThreads) {
  auto shared = demo_session();
  auto options = few_chunks();
  options.chunks = 1;
  const auto expected = shared.evaluate(kVariants, kTexts, options);
  const fakequant::Format format("nvfp4,rotate=hadamard");
  std::vector<float> values(1024);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  auto rounded = values;
  format.round(rounded, {.columns = 64});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto own = demo_session();
      expect_same(own.evaluate(kVariants, kTexts, options), expected);
      expect_same(shared.evaluate(kVariants, kTexts, options), expected);
      const auto missing = "/nowhere" + std::to_string(t) + ".gguf";
      EXPECT_THAT(error_of([&] { fakequant::Session{missing}; }), HasSubstr(missing));
      EXPECT_THAT(error_of([&] { own.evaluate({{"x", {"w:none=int4"}}}, kTexts); }), HasSubstr("variant x"));
      auto array = values;
      format.round(array, {.columns = 64});
      EXPECT_EQ(array, rounded);
      EXPECT_FALSE(fakequant::load_recipe("@" + fakequant::recipe_names().front()).rules.empty());
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Format, RoundsArrays) {
  const fakequant::Format e4m3("e4m3");
  std::vector<float> values = {0.3F, 449, -1e9F, 0};
  EXPECT_EQ(e4m3.round(values), 1);
  EXPECT_EQ(values, (std::vector<float>{0.3125F, 448, -448, 0}));
  EXPECT_EQ(e4m3.facts().largest, 448);
  EXPECT_EQ(fakequant::Format("e2m1,per=block,block=16,scale=e4m3,outer=f32").text(), "nvfp4");
  const fakequant::Format int8("int8");
  std::vector<float> rows(64, 1), tokens(64, 1);
  rows[0] = tokens[0] = 100;
  int8.round(rows, {.columns = 32});
  int8.round(tokens, {.columns = 32, .token_rows = 2});
  EXPECT_EQ(rows[63], 1);  // a scale for each row
  EXPECT_NE(tokens[63], 1);
  std::vector<float> block(256, 0.5F);
  EXPECT_EQ(fakequant::Format("q4_k").round(block), 0);  // a type of ggml
  EXPECT_THAT(error_of([&] { fakequant::Format("q4_k").round(values); }), HasSubstr("q4_k"));
  EXPECT_THAT(error_of([&] { e4m3.round(values, {.columns = 3}); }), HasSubstr("4 values are not rows of 3"));
  EXPECT_THAT(error_of([] { fakequant::Format("e4m"); }), HasSubstr("unknown format 'e4m'"));
  EXPECT_THAT(error_of([] { fakequant::Format("int8,range=static:x.json"); }), HasSubstr("there is no model here"));
  EXPECT_THAT(fakequant::format_names(), testing::Contains("nvfp4"));
}

TEST(Recipe, IsTextAndYaml) {
  const auto recipe = fakequant::parse_recipe("rules: [w:ffn_down=int8]\nname: W8\n");
  EXPECT_THAT(recipe.rules, testing::ElementsAre("w:ffn_down=int8"));
  EXPECT_EQ(recipe.settings.name, "W8");
  EXPECT_EQ(fakequant::parse_recipe(fakequant::to_yaml(recipe.rules)).rules, recipe.rules);
  EXPECT_THAT(error_of([] { fakequant::parse_recipe("rules: ["); }), HasSubstr("the recipe"));
  EXPECT_THAT(error_of([] { fakequant::load_recipe("@none"); }), HasSubstr("none"));
}

TEST(Study, IsSweptReadAndPlanned) {
  char folder[] = "/tmp/fakequant-api-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  fakequant::SweepOptions options{.model = demo_model(), .study = std::string(folder) + "/study.db"};
  options.texts = kTexts;
  options.sites = {"w:ffn_down"};
  options.formats = {"int4", "int8"};
  options.by_layer = true;
  options.compute.threads = 1;
  options.ctx_size = few_chunks().ctx_size;
  options.chunks = 2;
  std::stop_source source;
  options.stop = source.get_token();
  options.progress = [&](const fakequant::SweepProgress&) { source.request_stop(); };
  EXPECT_TRUE(fakequant::sweep(options).is_interrupted);
  options.stop = {};
  options.progress = {};
  const auto swept = fakequant::sweep(options);
  EXPECT_FALSE(swept.is_interrupted);
  const auto study = fakequant::read_study(options.study);
  EXPECT_EQ(study.baseline_ppl.value, swept.baseline_ppl.value);
  ASSERT_EQ(study.variants.size(), swept.variants.size());
  auto session = demo_session();
  const auto& first = study.variants.at(0);
  const auto measured = session.evaluate({{"first", {first.rule}}}, kTexts, few_chunks());
  EXPECT_EQ(measured.variants.at(0).figures.kld.value, first.figures.kld.value);

  const auto plan = fakequant::plan({.study = options.study, .weight_bits = 6});
  EXPECT_TRUE(plan.is_chosen);
  EXPECT_LE(plan.weight_bits.value(), 6);
  EXPECT_THAT(plan.sites, SizeIs(session.layers()));
  EXPECT_FALSE(plan.weight_front.empty());
  EXPECT_GT(session.evaluate({{"plan", plan.rules}}, kTexts, few_chunks()).variants.at(0).figures.kld.value, 0);

  EXPECT_THAT(error_of([&] { fakequant::plan({.study = options.study, .weight_bits = 1}); }), HasSubstr(options.study));
  EXPECT_THAT(error_of([&] { fakequant::read_study(demo_model()); }), HasSubstr(demo_model()));

  // Budgets of files: each is met, and not by what is planned without it.
  options.study = std::string(folder) + "/types.db";
  options.formats = {"q4_0", "q8_0"};
  fakequant::sweep(options);
  const auto& types = options.study;
  constexpr std::uint64_t kMuch = std::uint64_t{1} << 40;
  const auto by_memory = fakequant::plan({.study = types, .memory = kMuch, .ctx_size = 64}),
             by_reads = fakequant::plan({.study = types, .bytes_per_token = kMuch});
  EXPECT_LT(fakequant::plan({.study = types, .memory = *by_memory.memory - 1000, .ctx_size = 64}).memory.value(),
            *by_memory.memory - 999);
  EXPECT_GT(fakequant::plan({.study = types, .memory = kMuch, .ctx_size = 128}).memory.value(), *by_memory.memory);
  EXPECT_LT(
      fakequant::plan({.study = types, .bytes_per_token = *by_reads.bytes_per_token - 1000}).bytes_per_token.value(),
      *by_reads.bytes_per_token - 999);
  EXPECT_LE(fakequant::plan({.study = types, .active_bits_per_weight = 15}).active_bits_per_weight.value(), 15);
  const auto limited =
      fakequant::plan({.study = types, .at_least = {{"w:ffn_down", "q8_0"}}, .couples = {"qkv"}, .weight_bits = 8.5});
  for (const auto& site : limited.sites) EXPECT_EQ(site.format, "q8_0");
  EXPECT_THAT(error_of([&] { fakequant::plan({.study = types, .couples = {"kv"}}); }),
              HasSubstr("'kv' couples nothing"));
  EXPECT_THAT(error_of([&] { fakequant::plan({.study = types, .file_size = kMuch, .memory = kMuch}); }),
              HasSubstr("give one of them"));
  EXPECT_THAT(error_of([&] { fakequant::plan({.study = types, .cache_bits = 4}); }),
              HasSubstr("no values of the cache are planned"));

  options.formats = {"int5"};
  options.sites = {"w:none"};
  EXPECT_THAT(error_of([&] { fakequant::sweep(options); }), HasSubstr("w:none"));
  std::filesystem::remove_all(folder);
}

TEST(Library, HasAVersion) { EXPECT_FALSE(fakequant::version().empty()); }

}  // namespace
