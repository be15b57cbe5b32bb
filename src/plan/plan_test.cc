#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "error.h"
#include "plan/format_choice.h"
#include "plan/refine_plan.h"
#include "study/study_database.h"

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kLayers = 3;

class Plans : public testing::Test {
 protected:
  Plans() : folder_(std::filesystem::temp_directory_path() / ("fakequant-plan-" + std::to_string(getpid()))) {
    open_study();
  }
  // An empty one.
  void open_study() {
    study_.reset();
    std::filesystem::remove_all(folder_);
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
  EXPECT_THAT(refusal(under(4, PlanKind::weights)),
              HasSubstr("no weights are planned, the study has activations only"));
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

// All mixes of a study's parts in which coupled parts have the same format, by enumeration.
struct Enumerated {
  std::vector<std::string> names;  // of the units' sites
  std::vector<std::vector<FormatCost>> units;

  std::optional<double> least_kld(double max_bits) const {
    std::vector<FormatMix> mixes = {{}};
    for (const auto& unit : units) {
      std::vector<FormatMix> next;
      for (const auto& mix : mixes) {
        for (const auto& cost : unit) next.push_back({mix.bits + cost.bits, mix.kld + cost.kld, {}});
      }
      mixes = std::move(next);
    }
    std::optional<double> least;
    for (const auto& mix : mixes) {
      if (static_cast<double>(mix.bits) <= max_bits) least = std::min(least.value_or(mix.kld), mix.kld);
    }
    return least;
  }
};

// Of two layers with attn_q, attn_k, attn_v and ffn_up, of random sizes and divergences.
class RandomPlans : public Plans {
 protected:
  struct Part {
    std::string site;
    int layer = 0;
    std::vector<FormatCost> costs;  // the first does not round
  };

  std::vector<Part> add_random(std::mt19937& random) {
    open_study();
    std::vector<Part> parts;
    for (int layer = 0; layer < 2; ++layer) {
      for (const std::string word : {"attn_q", "attn_k", "attn_v", "ffn_up"}) {
        const std::int64_t rows = 1 + random() % 9;
        auto& part = parts.emplace_back(Part{"w:" + word, layer, {{rows * 64 * 16, 0}}});
        for (const auto& [format, bits] : {std::pair("int4", 4), std::pair("int6", 6), std::pair("e4m3", 8)}) {
          const double kld = static_cast<double>(1 + random() % 1000) / 1024;  // sums are exact
          add(part.site, layer, format, kld,
              {{"blk." + std::to_string(layer) + "." + word + ".weight", {rows, 64}, rows * 64 * 16}});
          const std::int64_t scales = bits == 8 ? 0 : rows * 32;
          part.costs.push_back({rows * 64 * bits + scales, kld});
        }
      }
    }
    return parts;
  }

  static Enumerated units_of(const std::vector<Part>& parts, bool is_coupled) {
    Enumerated all;
    for (const auto& part : parts) {
      const bool is_in_qkv = is_coupled && part.site != "w:ffn_up";
      const auto name = is_in_qkv ? "qkv" + std::to_string(part.layer) : part.site + std::to_string(part.layer);
      const auto found = std::find(all.names.begin(), all.names.end(), name);
      if (found == all.names.end()) {
        all.names.push_back(name);
        all.units.push_back(part.costs);
        continue;
      }
      auto& unit = all.units[static_cast<std::size_t>(found - all.names.begin())];
      for (std::size_t o = 0; o < unit.size(); ++o) {
        unit[o].bits += part.costs[o].bits;
        unit[o].kld += part.costs[o].kld;
      }
    }
    return all;
  }
};

TEST_F(RandomPlans, AreTheBestWithinEachBudget) {
  std::mt19937 random(7);
  int planned = 0;
  for (int study = 0; study < 5; ++study) {
    const auto parts = add_random(random);
    std::int64_t values = 0;
    for (const auto& part : parts) values += part.costs[0].bits / 16;
    for (int i = 0; i < 40; ++i) {
      const bool is_coupled = i % 2 == 0;
      const auto all = units_of(parts, is_coupled);
      const double bits = 4 + static_cast<double>(random() % 12000) / 1000;
      auto request = under(bits);
      if (is_coupled) request.couples = {Couple::qkv};
      const auto least = all.least_kld(bits * static_cast<double>(values));
      if (!least) {
        EXPECT_THAT(refusal(request), HasSubstr("no plan holds the weights"));
        continue;
      }
      ++planned;
      const auto result = plan(request);
      EXPECT_EQ(result.kld, *least);
      double taken = 0, kld = 0;
      std::map<int, std::set<std::string>> of_qkv;
      for (const auto& assignment : result.assignments) {
        taken += assignment.bits * static_cast<double>(assignment.values);
        kld += assignment.kld;
        if (assignment.site != "w:ffn_up") of_qkv[*assignment.layer].insert(assignment.format);
      }
      EXPECT_LE(taken, bits * static_cast<double>(values) * (1 + 1e-12));
      EXPECT_EQ(kld, result.kld);
      if (!is_coupled) continue;
      for (const auto& [layer, formats] : of_qkv) EXPECT_EQ(formats.size(), 1u);
    }
  }
  EXPECT_GT(planned, 150);
}

// A measurement that adds the costs up, as plans do, but of some parts other costs than the study says.
TEST_F(RandomPlans, AreRefinedByWhatIsMeasured) {
  std::mt19937 random(8);
  int better = 0;
  for (int i = 0; i < 8; ++i) {
    const auto parts = add_random(random);
    const std::string wrong = i % 2 == 0 ? "w:ffn_up" : "w:attn_v";
    std::set<std::string> measured;
    double least = std::numeric_limits<double>::infinity();
    const auto measure = [&](const Recipe& recipe) {
      EXPECT_TRUE(measured.insert(to_string(recipe)).second) << "measured twice";
      double kld = 0;
      for (const auto& rule : recipe) {
        for (const auto& part : parts) {
          if (to_string(in_all_layers(rule.pattern)) != part.site ||
              !rule.pattern.layers.contains(part.layer, kLayers)) {
            continue;
          }
          const std::size_t option = format_text(rule) == "int4" ? 1 : format_text(rule) == "int6" ? 2 : 3;
          kld += part.costs[option].kld * (part.site == wrong ? 8 : 1);
        }
      }
      least = std::min(least, kld);
      // Predictions differ, and all gain alike.
      return std::vector<double>{kld * 0.5, kld, kld * 1.5};
    };
    const auto request = under(6.5);
    const auto before = plan(request);
    const auto result = refine_plan(*study_, request, {100, measure});
    ASSERT_TRUE(result.refinement.has_value());
    const auto& refinement = *result.refinement;
    EXPECT_LE(refinement.tried, 100);
    EXPECT_EQ(static_cast<std::size_t>(refinement.tried) + 1, measured.size());
    EXPECT_LE(refinement.last.value, refinement.first.value);
    EXPECT_NEAR(refinement.difference.value, refinement.last.value - refinement.first.value, 1e-12);
    EXPECT_EQ(refinement.accepted == 0, to_string(result.recipe) == to_string(before.recipe));
    EXPECT_LE(*result.kinds[0].chosen_bits, 6.5);
    EXPECT_GE(result.kld, before.kld);  // by the study alone the other plan is the best
    EXPECT_TRUE(measured.contains(to_string(result.recipe)));
    if (refinement.last.value < refinement.first.value) ++better;
    // The same again is the same.
    measured.clear();
    EXPECT_EQ(to_string(refine_plan(*study_, request, {100, measure}).recipe), to_string(result.recipe));
    measured.clear();
    EXPECT_EQ(refine_plan(*study_, request, {0, measure}).kld, before.kld);
    measured.clear();
    EXPECT_LE(refine_plan(*study_, request, {3, measure}).refinement->tried, 3);
  }
  EXPECT_GT(better, 4);
  EXPECT_THROW(refine_plan(*study_, under_kld(0.1), {1, {}}), Error);
  EXPECT_THROW(refine_plan(*study_, {}, {1, {}}), Error);
}

// Noise is not taken for a gain.
TEST_F(RandomPlans, AreNotRefinedByChance) {
  std::mt19937 random(9);
  add_random(random);
  int accepted = 0, tried = 0;
  for (int i = 0; i < 6; ++i) {
    const auto measure = [&](const Recipe&) {
      std::normal_distribution<double> noise(1, 0.3);
      std::vector<double> klds(400);
      for (auto& kld : klds) kld = noise(random);
      return klds;
    };
    const auto refined = *refine_plan(*study_, under(6 + 0.3 * i), {40, measure}).refinement;
    accepted += refined.accepted;
    tried += refined.tried;
  }
  EXPECT_GT(tried, 60);
  EXPECT_LT(accepted, tried / 8);
}

TEST_F(Plans, GiveAtLeastTheBitsOfAFormat) {
  add_norms();
  auto request = under(32);
  request.at_least = {keep("a:ffn_norm", "e4m3")};
  request.max_kld = {};
  for (const auto& assignment : plan(request).assignments) EXPECT_GE(assignment.bits, 8);
  request.bits = {{std::nullopt, 7.9}};
  EXPECT_THAT(refusal(request), HasSubstr("limited or coupled are 8.0000"));
  request.at_least = {keep("a:ffn_norm", "e4m3"), keep("a:ffn_norm@0", "mxfp4")};
  EXPECT_EQ(to_string(plan(request).recipe), "a:ffn_norm@0=mxfp4 a:ffn_norm@1-2=e4m3");
  request.at_least = {keep("a:ffn_norm", "int7")};
  EXPECT_THAT(refusal(request), HasSubstr("and not in int7"));
  request.at_least = {keep("a:ffn_norm@1", "bf16")};
  request.keep = {keep("a:ffn_norm@1", "e4m3")};
  EXPECT_THAT(refusal(request), HasSubstr("no format of the study is left for a:ffn_norm@1"));
}

TEST_F(Plans, HaveABudgetOfTheCache) {
  add_norms();
  for (int layer = 0; layer < kLayers; ++layer) {
    const StudySite keys{"cache_k-" + std::to_string(layer), {1, 64}, 64 * 16};
    add("a:k_cache", layer, "int8", 1e-4, {keys});
    add("a:k_cache", layer, "int4", 0.01 * (layer + 1), {keys});
  }
  const auto together = plan(under(8));
  EXPECT_EQ(together.kinds.size(), 1u);
  auto request = under(8);
  request.bits = {{PlanKind::activations, 8}, {PlanKind::cache, 6}};
  request.ctx_size = 100;
  const auto apart = plan(request);
  ASSERT_EQ(apart.kinds.size(), 2u);
  EXPECT_EQ(apart.kinds[1].kind, PlanKind::cache);
  EXPECT_NEAR(apart.kld, 0.042 + 0.01 + 2e-4 + 0.02 - 1e-4, 1e-9);
  EXPECT_FALSE(apart.kinds[0].chosen_cache_bytes.has_value());
  EXPECT_TRUE(apart.kinds[1].chosen_cache_bytes.has_value());
  request.sites = {parse_site_pattern("a:ffn_norm")};
  EXPECT_THAT(refusal(request), HasSubstr("no values of the cache are planned"));
}

}  // namespace
}  // namespace fakequant
