#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "error.h"
#include "study/study_database.h"

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kLayers = 3;

class Plans : public testing::Test {
 protected:
  Plans() : folder_(std::filesystem::temp_directory_path() / ("fakequant-plan-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
    study_.emplace((folder_ / "study.db").string(), StudyAccess::write);
    study_->transaction([&] {
      study_->set_subject({"model.gguf", "abc", 1, kLayers, 64, 64, "0.1", "llama 1", "CPU", {{"text.txt", "1"}}});
    });
  }
  ~Plans() override {
    study_.reset();
    std::filesystem::remove_all(folder_);
  }

  // A variant of one value more than there are scored predictions, in two chunks with different divergences.
  void add(const std::string& site, std::optional<int> layer, const std::string& format, double kld,
           std::vector<StudySite> names, const std::string& storage = "", int chunks = 2) {
    const auto at = layer ? "@" + std::to_string(*layer) : std::string();
    study_->transaction([&] {
      const auto id = study_->add_variant({site + at + "=" + format, site, format, layer, storage, "", {}});
      study_->set_sites(id, names);
      for (int chunk = 0; chunk < chunks; ++chunk) {
        ScoreSums score;
        score.count = 10;
        score.kld.sum = kld * 10 * (chunk == 0 ? 0.5 : 1.5);
        study_->add_score(id, {0, chunk}, {10, {1.0, 1.0}}, score);
      }
    });
  }
  void add_norm(int layer, const std::string& format, double kld) {
    add("a:ffn_norm", layer, format, kld, {{"ffn_norm-" + std::to_string(layer), {1, 256}, 256 * 32}});
  }
  void add_weight(int layer, const std::string& format, double kld) {
    const std::int64_t rows = layer == 1 ? 100 : 10;
    add("w:ffn_up", layer, format, kld,
        {{"blk." + std::to_string(layer) + ".ffn_up.weight", {rows, 64}, rows * 64 * 16}});
  }
  void add_norms() {
    for (int layer = 0; layer < kLayers; ++layer) {
      add_norm(layer, "bf16", 1e-6);
      add_norm(layer, "e4m3", layer == 1 ? 0.04 : 0.001);
      add_norm(layer, "mxfp4", layer == 0 ? 0.01 : 0.1 * (layer + 1));
    }
  }
  void add_weights() {
    for (int layer = 0; layer < kLayers; ++layer) {
      add_weight(layer, "e4m3", 0.002 * (layer + 1));
      add_weight(layer, "int4,per=tensor", 0.03);
    }
  }

  PlanResult plan(const PlanRequest& request) const { return make_plan(*study_, request); }
  std::string refusal(const PlanRequest& request) const {
    try {
      plan(request);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path folder_;
  std::optional<StudyDatabase> study_;
};

KeptFormat keep(const std::string& site, const std::string& format) {
  KeptFormat kept{parse_site_pattern(site), std::nullopt};
  if (format != "none") kept.format = parse_rule_format(format);
  return kept;
}

PlanRequest under(double bits, std::optional<PlanKind> kind = {}) {
  PlanRequest request;
  request.bits = {{kind, bits}};
  return request;
}
PlanRequest under_kld(double max_kld) {
  PlanRequest request;
  request.max_kld = max_kld;
  return request;
}

TEST_F(Plans, MinimizeTheSumOfTheDivergences) {
  add_norms();
  const auto result = plan(under(8));
  ASSERT_EQ(result.kinds.size(), 1u);
  // 8 bits each: 0.042. One in BF16 and one in MXFP4 of 4.25 bits would be 9.4 on average.
  EXPECT_EQ(result.kinds[0].chosen_bits, 8.0);
  EXPECT_NEAR(result.kld, 0.042, 1e-12);
  EXPECT_EQ(to_string(result.recipe), "a:ffn_norm=e4m3");
  const auto more = plan(under(9.5));
  EXPECT_EQ(to_string(more.recipe), "a:ffn_norm@0=mxfp4 a:ffn_norm@1=bf16 a:ffn_norm@2=e4m3");
  EXPECT_NEAR(more.kld, 0.011001, 1e-12);
  EXPECT_NEAR(*more.kinds[0].chosen_bits, (4.25 + 16 + 8) / 3, 1e-12);
  const auto most = plan(under(40));
  EXPECT_EQ(most.kld, 0);
  EXPECT_TRUE(most.recipe.empty());
}

TEST_F(Plans, UsePredictionsOfUnmeasuredVariants) {
  add_norms();
  study_->transaction([&] {
    const auto predict = [&](int layer, const std::string& format, double kld) {
      const auto at = "@" + std::to_string(layer);
      const auto id = study_->add_variant({"a:ffn_norm" + at + "=" + format, "a:ffn_norm", format, layer, "", "", {}});
      study_->set_sites(id, {{"ffn_norm-" + std::to_string(layer), {1, 256}, 256 * 32}});
      study_->set_prediction(id, {kld, kld / 2, kld * 2});
    };
    for (int layer = 0; layer < kLayers; ++layer) predict(layer, "e5m2", 1e-7);
    predict(0, "mxfp4", 0);  // measured as 0.01
  });
  const auto result = plan(under(8));
  EXPECT_EQ(to_string(result.recipe), "a:ffn_norm=e5m2");
  EXPECT_NEAR(result.kld, 3e-7, 1e-15);
  for (const auto& assignment : result.assignments) EXPECT_TRUE(assignment.is_predicted);
  EXPECT_THAT(result.notes, ElementsAre("3 of 12 variants have not been measured, and count as predicted."));
  // Suggestions of no loss need a measurement.
  for (const auto& suggestion : result.suggestions) EXPECT_NE(suggestion.format, "e5m2");
  const auto wider = plan(under(9.5));
  for (const auto& assignment : wider.assignments) {
    if (assignment.format == "mxfp4") {
      EXPECT_EQ(assignment.kld, 0.01);
    }
  }
}

TEST_F(Plans, HaveAFrontThatBothKindsOfBudgetReach) {
  add_norms();
  const auto whole = plan({});
  EXPECT_FALSE(whole.is_chosen);
  const auto& front = whole.kinds[0].front;
  ASSERT_GT(front.size(), 5u);
  EXPECT_NEAR(front.front().bits, 4.25, 1e-12);
  EXPECT_EQ(front.back().bits, 32);
  EXPECT_EQ(front.back().kld, 0);
  for (std::size_t i = 0; i < front.size(); ++i) {
    EXPECT_LT(front[i].kld, i > 0 ? front[i - 1].kld : 1.0);
    EXPECT_EQ(plan(under(front[i].bits + 1e-6)).kld, front[i].kld);
    EXPECT_NEAR(*plan(under_kld(front[i].kld)).kinds[0].chosen_bits, front[i].bits, 1e-12);
  }
  EXPECT_THAT(refusal(under(4.2)), HasSubstr("no plan holds the activations in 4.2 bits: the fewest are 4.2500"));
  EXPECT_THAT(refusal(under(4, PlanKind::weights)), HasSubstr("no weights are planned, the study has activations only"));
  auto both = under(8);
  both.max_kld = 0.1;
  EXPECT_THAT(refusal(both), HasSubstr("give one of them"));
}

TEST_F(Plans, CompareWithUniformFormats) {
  add_norms();
  add_norm(0, "int8", 1e-4);  // not in all layers
  const auto uniform = plan(under(8)).kinds[0].uniform;
  ASSERT_EQ(uniform.size(), 3u);
  EXPECT_EQ(uniform[1].format, "e4m3");
  EXPECT_EQ(uniform[1].bits, 8);
  EXPECT_NEAR(uniform[1].kld, 0.042, 1e-12);
  EXPECT_EQ(to_string(uniform[1].recipe), "a:ffn_norm=e4m3");
}

TEST_F(Plans, KeepRequiredFormats) {
  add_norms();
  auto request = under(20);
  request.keep = {keep("a:ffn_norm", "mxfp4"), keep("a:ffn_norm@1", "none")};
  EXPECT_EQ(to_string(plan(request).recipe), "a:ffn_norm@0,2=mxfp4");
  EXPECT_TRUE(plan(request).assignments[1].is_kept);
  request.bits = {{std::nullopt, 5}};
  EXPECT_THAT(refusal(request), HasSubstr("the fewest with the formats that are kept are 13.5000"));
  request.bits.clear();
  request.max_kld = 0.1;
  EXPECT_THAT(refusal(request), HasSubstr("the least with the formats that are kept is 0.31"));
  request.keep = {keep("a:ffn_nrm", "bf16")};
  EXPECT_THAT(refusal(request), HasSubstr("nothing at a:ffn_nrm: the nearest are a:ffn_norm"));
  request.keep = {keep("a:ffn_norm@7", "bf16")};
  EXPECT_THAT(refusal(request), HasSubstr("the study has a:ffn_norm in layers 0, 1, 2, and not in 7"));
  request.keep = {keep("a:ffn_norm@1", "int8")};
  EXPECT_THAT(refusal(request), HasSubstr("a:ffn_norm@1 in none, bf16, e4m3, mxfp4, and not in int8"));
}

TEST_F(Plans, WeightLayersByValuesAndCountScales) {
  add_weights();
  const auto result = plan(under(5.5));
  // The middle layer has ten times the values of another.
  EXPECT_EQ(to_string(result.recipe), "w:ffn_up@0=e4m3 w:ffn_up@1=int4,per=tensor");
  EXPECT_NEAR(*result.kinds[0].chosen_bits, (640 * 8 + 6400 * 4 + 32 + 640 * 16) / 7680.0, 1e-12);
  EXPECT_NEAR(result.kld, 0.002 + 0.03, 1e-12);
}

TEST_F(Plans, HaveABudgetForEachKind) {
  add_norms();
  add_weights();
  auto request = under(8);
  const auto same = plan(request);
  EXPECT_EQ(to_string(same.recipe), "w:ffn_up=e4m3 a:ffn_norm=e4m3");
  ASSERT_TRUE(same.uniform_pair.has_value());
  EXPECT_EQ(same.uniform_pair->format, "w:e4m3 a:e4m3");
  EXPECT_NEAR(same.uniform_pair->kld, 0.012 + 0.042, 1e-12);
  EXPECT_THAT(refusal(under(8, PlanKind::weights)),
              HasSubstr("activations have no budget: give them one of bits, such as a:8"));
  EXPECT_THAT(refusal(under_kld(0.1)), HasSubstr("a budget of divergence is for one kind"));
  request.bits = {{PlanKind::weights, 8}, {PlanKind::activations, 9.5}};
  EXPECT_NEAR(plan(request).kld, 0.012 + 0.011001, 1e-12);
  request.bits = {{PlanKind::weights, 8}};
  request.max_kld = 0.012 + 0.0111;
  const auto rest = plan(request);
  EXPECT_NEAR(rest.kld, 0.012 + 0.011001, 1e-12);
  request.max_kld = 0.011;
  EXPECT_THAT(refusal(request), HasSubstr("the least under the other kind's budget is 0.012"));
  request.sites = {parse_site_pattern("a:ffn_norm@1-2")};
  request.bits.clear();
  const auto some = plan(request);
  EXPECT_EQ(some.kinds.size(), 1u);
  EXPECT_EQ(some.kinds[0].parts, 2);
}

TEST_F(Plans, PreferLayersToWholeSites) {
  add_norms();
  std::vector<StudySite> all;
  for (int layer = 0; layer < kLayers; ++layer) all.push_back({"ffn_norm-" + std::to_string(layer), {1, 256}, 8192});
  add("a:ffn_norm", {}, "bf16", 1e-5, all);
  const auto result = plan(under(8));
  EXPECT_EQ(result.kinds[0].parts, 3);
  EXPECT_THAT(result.notes, ElementsAre(HasSubstr("planned by their layers")));
  add("a:in(ffn_up)", 1, "bf16", 1e-6, {all[1]});
  EXPECT_THAT(refusal(under(8)), HasSubstr("a:ffn_norm@1 and a:in(ffn_up)@1 both round ffn_norm-1"));
  auto request = under(8);
  request.sites = {parse_site_pattern("a:ffn_norm")};
  EXPECT_EQ(plan(request).kinds[0].parts, 3);
}

TEST_F(Plans, RefuseIncompleteStudies) {
  EXPECT_THAT(refusal(under(8)), HasSubstr("nothing has been measured"));
  add("a:ffn_norm", 0, "bf16", 0.1, {{"ffn_norm-0", {1, 256}, 8192}}, "", 0);
  EXPECT_THAT(refusal(under(8)), HasSubstr("nothing has been measured"));
  add("a:ffn_norm", 1, "bf16", 0.1, {});
  EXPECT_THAT(refusal(under(8)), HasSubstr("type its sweep's command once more"));
}

TEST_F(Plans, NoteVariantsWithFewerChunks) {
  add_norms();
  add("a:ffn_norm", 0, "int8", 0.1, {{"ffn_norm-0", {1, 256}, 8192}}, "", 1);
  add("a:ffn_norm", 1, "int8", 0.1, {{"ffn_norm-1", {1, 256}, 8192}}, "", 0);
  EXPECT_THAT(plan(under(8)).notes, ElementsAre(HasSubstr("1 of 11 variants have not been measured"),
                                                HasSubstr("1 of 10 variants were measured on fewer than 2 chunks")));
}

TEST_F(Plans, RequireAStorageIfThereAreSeveral) {
  for (const std::string storage : {"promote F16", "requantize"}) {
    add("w:ffn_up", 0, "e4m3", 0.1, {{"blk.0.ffn_up.weight", {1, 256}, 1152}}, storage);
  }
  EXPECT_THAT(refusal(under(8)), HasSubstr("stored in 2 ways, 'promote F16' and 'requantize'"));
  auto request = under(8);
  request.storage = "requantize";
  EXPECT_EQ(plan(request).storage, "requantize");
}

TEST_F(Plans, SuggestLosslessAndHarmfulFormats) {
  for (int layer = 0; layer < kLayers; ++layer) {
    for (const std::string site : {"a:ffn_norm", "a:attn_norm"}) {
      const StudySite name{site.substr(2) + "-" + std::to_string(layer), {1, 256}, 8192};
      const bool is_worst = site == "a:attn_norm" && layer == 2;
      add(site, layer, "bf16", 1e-6, {name});
      add(site, layer, "e4m3", is_worst ? 1e-3 : 2e-6 * (layer + 1), {name});
    }
  }
  auto request = PlanRequest{};
  request.negligible_kld = 5e-6;
  const auto found = plan(request).suggestions;
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found[0].kind, PlanSuggestion::no_loss);
  EXPECT_EQ(found[0].format, "e4m3");
  EXPECT_EQ(found[0].places[0].site, "a:ffn_norm");
  EXPECT_THAT(found[0].places[0].layers, ElementsAre(0, 1));
  EXPECT_EQ(found[0].bits, 8);
  EXPECT_EQ(found[0].untouched_bits, 32);
  EXPECT_NEAR(found[0].kld, 6e-6, 1e-15);
  EXPECT_NEAR(found[0].largest_kld, 4e-6, 1e-15);
  EXPECT_EQ(found[1].format, "bf16");  // of layer 2
  const auto& worst = found[4];
  EXPECT_EQ(worst.kind, PlanSuggestion::costs_most);
  EXPECT_EQ(worst.format, "e4m3");
  EXPECT_EQ(worst.places[0].site, "a:attn_norm");
  EXPECT_THAT(worst.places[0].layers, ElementsAre(2));
  EXPECT_EQ(worst.parts, 1);
  EXPECT_EQ(worst.of_parts, 6);
  EXPECT_NEAR(worst.total_kld, 1e-3 + 18e-6, 1e-12);
}

}  // namespace
}  // namespace fakequant
