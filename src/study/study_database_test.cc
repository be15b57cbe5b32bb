#include "study/study_database.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "error.h"
#include "study/merge_studies.h"
#include "study/score_columns.h"
#include "study/study_schema.h"
#include "study/study_totals.h"
#include "text_file.h"

namespace fakequant {
namespace {

class StudyDatabases : public testing::Test {
 protected:
  StudyDatabases() : folder_(std::filesystem::temp_directory_path() / ("fakequant-study-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~StudyDatabases() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static StudySubject subject(int texts = 1) {
    StudySubject subject{"model.gguf", "abcdef", 1234, 2, 512, 512, "0.1", "llama 1", "CPU", {}};
    for (int t = 0; t < texts; ++t) subject.texts.push_back({std::to_string(t) + ".txt", std::to_string(t)});
    return subject;
  }

  static StudyVariant variant(int layer) {
    return {"a:ffn_norm@" + std::to_string(layer) + "=bf16", "a:ffn_norm", "bf16", layer, "", "", {}};
  }

  static std::vector<StudySite> sites(int layer) { return {{"ffn_norm-" + std::to_string(layer), {1, 256}, 256 * 32}}; }

  // Sums that use all bits of the mantissa.
  static ScoreSums score(int seed) {
    ScoreSums score;
    double x = std::sqrt(2.0 + seed);
    int counted = 6;
    score.count = 100 + seed;
    for (const auto& quantity : kScoreQuantities) {
      if (quantity.moments != nullptr) {
        auto& moments = score.*quantity.moments;
        moments.sum = x = std::sin(x * 1000) * 1e-3;
        moments.sum2 = x = std::cos(x * 1000) * 1e17;
      }
      if (quantity.count != nullptr) score.*quantity.count = ++counted;
      if (quantity.max != nullptr) score.*quantity.max = 1.0 / ++counted;
    }
    return score;
  }
  static BaselineSums baseline(int seed) { return {100, {std::sqrt(3.0 + seed), 0.1}}; }

  // Creates a study of a variant of one layer on chunks 0 to `chunks` - 1.
  void make(const std::string& name, int layer, int chunks, const StudySubject& of = subject()) const {
    StudyDatabase study(path(name), StudyAccess::write);
    study.transaction([&] {
      study.set_subject(of);
      const auto id = study.add_variant(variant(layer));
      study.set_sites(id, sites(layer));
      for (int chunk = 0; chunk < chunks; ++chunk) {
        study.add_score(id, {0, chunk}, baseline(chunk), score(chunk + 10 * layer));
      }
      study.set_start(id, {layer, layer == 0 ? "so" : ""});
    });
  }

  template <typename Work>
  static std::string message_of(const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path folder_;
};

void expect_same(const ScoreSums& a, const ScoreSums& b) { EXPECT_EQ(std::memcmp(&a, &b, sizeof(a)), 0); }

TEST_F(StudyDatabases, StoreAndMergePredictions) {
  make("a.db", 1, 2);
  StudyDatabase::VariantId id = 0;
  {
    StudyDatabase study(path("a.db"), StudyAccess::write);
    EXPECT_TRUE(study.predictions().empty());
    study.transaction([&] {
      id = study.add_variant(variant(0));
      study.set_prediction(id, {2e-6, 1e-6, 5e-6});
      study.set_prediction(id, {3e-6, 1e-6, 5e-6});
    });
  }
  const StudyDatabase study(path("a.db"), StudyAccess::read);
  ASSERT_EQ(study.predictions().size(), 1u);
  EXPECT_DOUBLE_EQ(study.predictions().at(id).kld, 3e-6);
  EXPECT_DOUBLE_EQ(study.predictions().at(id).high, 5e-6);
  make("b.db", 2, 1);
  merge_studies(path("all.db"), {path("b.db"), path("a.db")});
  const StudyDatabase all(path("all.db"), StudyAccess::read);
  ASSERT_EQ(all.predictions().size(), 1u);
  EXPECT_EQ(all.variants().at(all.predictions().begin()->first).recipe, "a:ffn_norm@0=bf16");
}

// tests/golden has a study of version 1.
TEST_F(StudyDatabases, MigrateOnTheFirstWrite) {
  const std::filesystem::path source(std::getenv("SOURCE"));
  std::filesystem::copy_file(source / "tests/golden/study-v1-measured.db", path("old.db"));
  {
    SQLite::Database old(path("old.db"), SQLite::OPEN_READWRITE);
    old.exec("DROP TABLE predictions");  // the first studies had none
  }
  const auto version = [&] {
    SQLite::Database database(path("old.db"));
    return database.execAndGet("SELECT schema_version FROM study").getInt();
  };
  EXPECT_TRUE(StudyDatabase(path("old.db"), StudyAccess::read).predictions().empty());
  StudyDatabase study(path("old.db"), StudyAccess::write);
  ASSERT_EQ(study.variants().size(), 4u);
  const auto id = study.variants().begin()->first;
  const auto before = study.scores(id);
  EXPECT_THAT(message_of([&] { study.check_subject(subject()); }), testing::HasSubstr("a study of the model"));
  EXPECT_EQ(version(), 1);
  EXPECT_THROW(study.transaction([&] {
    study.set_prediction(id, {1e-6, 0, 1});
    throw Error("stopped");
  }),
               Error);
  EXPECT_EQ(version(), 1);
  study.transaction([&] { study.set_prediction(id, {1e-6, 0, 1}); });
  EXPECT_EQ(version(), newest_schema_version());
  EXPECT_EQ(study.predictions().size(), 1u);
  ASSERT_EQ(study.scores(id).size(), before.size());
  for (const auto& [position, sums] : study.scores(id)) EXPECT_TRUE(agree(before.at(position), sums));
}

TEST_F(StudyDatabases, LackNewQuantitiesUntilTheyAreMeasured) {
  const std::filesystem::path source(std::getenv("SOURCE"));
  std::filesystem::copy_file(source / "tests/golden/study-v1-measured.db", path("old.db"));
  StudyDatabase study(path("old.db"), StudyAccess::write);
  const auto [id, variant] = *study.variants().begin();
  const auto old = study.scores(id);
  const ChunkPosition position = old.begin()->first;
  EXPECT_TRUE(std::isnan(old.at(position).reverse_kld.sum));
  const auto unknown = figures_of(old);
  EXPECT_TRUE(std::isfinite(unknown.kld.error));
  EXPECT_TRUE(std::isfinite(unknown.kld_at.max));
  for (const double value : {unknown.reverse_kld.value, unknown.reverse_kld.error, unknown.reverse_kld_at.max}) {
    EXPECT_TRUE(std::isnan(value));
  }
  auto measured = old.at(position);
  measured.reverse_kld = {0.25, 0.125};
  measured.reverse_kld_max = 0.125;
  study.transaction([&] { study.add_score(id, position, study.baseline().at(position), measured); });
  expect_same(study.scores(id).at(position), measured);
  // Sums without the quantity now change nothing, and different sums are still refused.
  study.transaction([&] { study.add_score(id, position, study.baseline().at(position), old.at(position)); });
  expect_same(study.scores(id).at(position), measured);
  measured.reverse_kld.sum = 0.5;
  EXPECT_THAT(message_of([&] {
                study.transaction([&] { study.add_score(id, position, study.baseline().at(position), measured); });
              }),
              testing::HasSubstr("the variant's figures for chunk 0 of text 0"));
  // The other chunk still lacks the quantity, so the variant lacks it too.
  EXPECT_TRUE(std::isnan(figures_of(study.scores(id)).reverse_kld.value));
  SQLite::Database database(path("old.db"));
  EXPECT_TRUE(database.execAndGet("SELECT reverse_kld FROM figures WHERE recipe = 'a:ffn_norm=e4m3'").isNull());
  EXPECT_FALSE(database.execAndGet("SELECT kld FROM figures WHERE recipe = 'a:ffn_norm=e4m3'").isNull());
}

TEST_F(StudyDatabases, ReadBackExactlyWhatWasWritten) {
  make("a.db", 1, 3);
  const StudyDatabase study(path("a.db"), StudyAccess::read);
  const auto of = study.subject();
  ASSERT_TRUE(of.has_value());
  EXPECT_EQ(of->model, "model.gguf");
  EXPECT_EQ(of->texts.size(), 1u);
  const auto variants = study.variants();
  ASSERT_EQ(variants.size(), 1u);
  const auto& [id, known] = *variants.begin();
  EXPECT_EQ(known.recipe, "a:ffn_norm@1=bf16");
  EXPECT_EQ(known.layer, 1);
  EXPECT_EQ(known.start->layer, 1);
  EXPECT_EQ(study.sites(id), sites(1));
  const auto scores = study.scores(id);
  ASSERT_EQ(scores.size(), 3u);
  for (int chunk = 0; chunk < 3; ++chunk) {
    expect_same(scores.at({0, chunk}), score(chunk + 10));
    EXPECT_EQ(study.baseline().at({0, chunk}).nll.sum, baseline(chunk).nll.sum);
  }
}

TEST_F(StudyDatabases, StoreValuesThatAreNotFinite) {
  StudyDatabase study(path("a.db"), StudyAccess::write);
  auto not_finite = score(1);
  not_finite.nll.sum = std::numeric_limits<double>::infinity();
  not_finite.nll_change.sum = std::numeric_limits<double>::quiet_NaN();
  std::int64_t id = 0;
  for (int twice = 0; twice < 2; ++twice) {
    study.transaction([&] {
      study.set_subject(subject());
      id = study.add_variant(variant(0));
      study.add_score(id, {0, 0}, baseline(0), not_finite);
    });
  }
  EXPECT_EQ(study.scores(id).at({0, 0}).nll.sum, not_finite.nll.sum);
  EXPECT_TRUE(std::isnan(study.scores(id).at({0, 0}).nll_change.sum));
}

TEST_F(StudyDatabases, WriteAllOrNothing) {
  make("a.db", 1, 1);
  StudyDatabase study(path("a.db"), StudyAccess::write);
  EXPECT_THROW(study.transaction([&] {
    const auto id = study.add_variant(variant(2));
    study.add_score(id, {0, 0}, baseline(0), score(20));
    throw Error("stopped");
  }),
               Error);
  EXPECT_EQ(study.variants().size(), 1u);
}

TEST_F(StudyDatabases, ContinueAndGrowByTexts) {
  make("a.db", 1, 2);
  make("a.db", 1, 3, subject(2));
  make("a.db", 0, 1);  // fewer texts than it has
  const StudyDatabase study(path("a.db"), StudyAccess::read);
  EXPECT_EQ(study.subject()->texts.size(), 2u);
  EXPECT_EQ(study.variants().size(), 2u);
  EXPECT_EQ(study.scores(study.variants().begin()->first).size(), 3u);
}

TEST_F(StudyDatabases, RefuseOtherSubjects) {
  make("a.db", 1, 1);
  const StudyDatabase study(path("a.db"), StudyAccess::read);
  const auto refusal = [&](const auto& change) {
    auto other = subject();
    change(other);
    return message_of([&] { study.check_subject(other); });
  };
  EXPECT_THAT(refusal([](auto& s) { s.model_sha256 = "other"; }),
              testing::HasSubstr("a study of the model model.gguf"));
  EXPECT_THAT(refusal([](auto& s) { s.texts[0].sha256 = "other"; }), testing::HasSubstr("a study on the text 0.txt"));
  EXPECT_THAT(refusal([](auto& s) { s.ctx_size = 100; }), testing::HasSubstr("chunks of 512 tokens, and not 100"));
  EXPECT_THAT(refusal([](auto& s) { s.batch_size = 9; }), testing::HasSubstr("batches of 512 tokens, and not 9"));
  EXPECT_THAT(refusal([](auto& s) { s.backends = "GPU"; }), testing::HasSubstr("differ in the last digits"));
  EXPECT_EQ(refusal([](auto& s) { s.model = "elsewhere.gguf"; }), "no error");
}

TEST_F(StudyDatabases, RefuseDifferentFiguresForTheSameChunk) {
  make("a.db", 1, 1);
  StudyDatabase study(path("a.db"), StudyAccess::write);
  const auto id = study.variants().begin()->first;
  const auto refusal = [&](const BaselineSums& of_baseline, const ScoreSums& of_variant) {
    return message_of([&] { study.transaction([&] { study.add_score(id, {0, 0}, of_baseline, of_variant); }); });
  };
  EXPECT_EQ(refusal(baseline(0), score(10)), "no error");
  EXPECT_THAT(refusal(baseline(1), score(10)), testing::HasSubstr("the baseline's figures for chunk 0 of text 0"));
  EXPECT_THAT(refusal(baseline(0), score(11)), testing::HasSubstr("the variant's figures for chunk 0 of text 0"));
  auto other = variant(1);
  other.files_sha256 = "ranges";
  EXPECT_THAT(message_of([&] { study.transaction([&] { study.add_variant(other); }); }),
              testing::HasSubstr("has changed since"));
}

TEST_F(StudyDatabases, MergeStudies) {
  make("a.db", 0, 2);
  make("b.db", 1, 3);
  make("b.db", 0, 1);
  make("whole.db", 0, 2);
  make("whole.db", 1, 3);
  for (const auto* twice : {"first", "again"}) {
    const auto result = merge_studies(path("united.db"), {path("a.db"), path("b.db")});
    EXPECT_EQ(result.variants, 2) << twice;
    EXPECT_EQ(result.scores, 5);
  }
  const StudyDatabase united(path("united.db"), StudyAccess::read), whole(path("whole.db"), StudyAccess::read);
  const auto scores_of = [](const StudyDatabase& study) {
    std::map<std::string, std::map<ChunkPosition, ScoreSums>> scores;
    for (const auto& [id, known] : study.variants()) {
      scores[known.recipe + known.start->why_whole] = study.scores(id);
      EXPECT_EQ(study.sites(id), sites(*known.layer));
    }
    return scores;
  };
  const auto one = scores_of(united), other = scores_of(whole);
  ASSERT_EQ(one.size(), other.size());
  for (const auto& [recipe, scores] : one) {
    ASSERT_TRUE(other.contains(recipe)) << recipe;
    ASSERT_EQ(scores.size(), other.at(recipe).size());
    for (const auto& [position, own] : scores) expect_same(own, other.at(recipe).at(position));
  }
}

TEST_F(StudyDatabases, RefuseToMergeDifferentSubjects) {
  make("a.db", 0, 2);
  auto other = subject();
  other.model_sha256 = "other";
  make("b.db", 1, 3, other);
  EXPECT_THAT(message_of([&] {
                merge_studies(path("out.db"), {path("a.db"), path("b.db")});
              }),
              testing::HasSubstr("a study of the model"));
  EXPECT_FALSE(StudyDatabase(path("out.db"), StudyAccess::read).subject().has_value());  // nothing was added
  EXPECT_THAT(message_of([&] { merge_studies(path("a.db"), {path("a.db")}); }), testing::HasSubstr("name it once"));
  EXPECT_THAT(message_of([&] { merge_studies(path("out.db"), {path("none.db")}); }), testing::HasSubstr("cannot open"));
}

TEST_F(StudyDatabases, RefuseDamagedFiles) {
  make("a.db", 1, 400);
  const auto bytes = read_text(path("a.db"));
  ASSERT_GT(bytes.size(), 40000u);
  const auto refusal = [&](std::string damaged) {
    std::ofstream(path("b.db"), std::ios::binary) << damaged;
    return message_of([&] { StudyDatabase(path("b.db"), StudyAccess::write); });
  };
  EXPECT_THAT(refusal("no database, but long enough to be looked at as one, as it seems"),
              testing::HasSubstr("damaged"));
  EXPECT_THAT(refusal(bytes.substr(0, bytes.size() / 2)), testing::HasSubstr("damaged"));
  EXPECT_THAT(refusal(bytes.substr(0, 100) + std::string(4000, 'x') + bytes.substr(4100)),
              testing::HasSubstr("damaged"));
  auto middle = bytes;
  middle.replace(20000, 9000, std::string(9000, '\x55'));
  EXPECT_THAT(refusal(middle), testing::HasSubstr("damaged"));
  EXPECT_EQ(refusal(bytes), "no error");
  EXPECT_THAT(message_of([&] { StudyDatabase(folder_.string(), StudyAccess::write); }),
              testing::HasSubstr("is a folder"));
}

}  // namespace
}  // namespace fakequant
