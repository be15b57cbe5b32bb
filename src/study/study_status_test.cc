#include "study/study_status.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace fakequant {
namespace {

using ::testing::ElementsAre;

constexpr double kNow = 1'000'000;

class StudyStatusTest : public ::testing::Test {
 protected:
  StudyStatusTest() : folder_(std::filesystem::temp_directory_path() / ("study_status_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~StudyStatusTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  void make(const std::string& name, const std::vector<StudyRun>& runs) const {
    StudyDatabase study(path(name), StudyAccess::write_shared);
    study.transaction([&] {
      study.set_subject({"model.gguf", "hash", 1, 2, 64, 64, "1", "engine", "CPU", {{"text", "other"}}});
      for (const auto& run : runs) study.add_run(run);
    });
  }

  // A run that began 100 s before it last wrote, `silence` seconds ago.
  static StudyRun run(int shard, int shards, double done, RunState state, double silence) {
    return {shard, shards, "node", kNow - silence - 100, kNow - silence, 50, done, state};
  }

  std::filesystem::path folder_;
};

TEST_F(StudyStatusTest, SaysWhichSharesRunAndWhenTheyWillEnd) {
  make("1.db", {run(1, 4, 50, RunState::complete, 5000)});
  make("2.db", {run(2, 4, 25, RunState::running, 3)});
  make("3.db", {run(3, 4, 10, RunState::running, 5000)});  // 20 times its pause of 10 s is over
  const auto status = study_status({folder_.string()}, kNow);
  ASSERT_EQ(status.shares.size(), 3u);
  EXPECT_EQ(status.shares[0].state, ShareState::complete);
  EXPECT_EQ(status.shares[1].state, ShareState::running);
  EXPECT_EQ(status.shares[2].state, ShareState::silent);
  EXPECT_DOUBLE_EQ(*status.shares[1].seconds_left, 97);  // 25 passes at 4 s, of which 3 s have passed
  EXPECT_EQ(status.shares[2].seconds_left, std::nullopt);
  EXPECT_THAT(status.without_study, ElementsAre(4));
  EXPECT_DOUBLE_EQ(status.progress, (1 + 0.5 + 0.2) / 4);
  EXPECT_DOUBLE_EQ(*status.seconds_left, 97);
}

TEST_F(StudyStatusTest, ASlowRunIsNotSilentBeforeManyOfItsPauses) {
  auto slow = run(1, 1, 2, RunState::running, 900);  // 50 s for a pass: silent after 1000 s
  make("slow.db", {slow});
  EXPECT_EQ(study_status({path("slow.db")}, kNow).shares[0].state, ShareState::running);
  EXPECT_EQ(study_status({path("slow.db")}, kNow + 101).shares[0].state, ShareState::silent);
}

TEST_F(StudyStatusTest, TheLastRunCounts) {
  auto later = run(2, 2, 5, RunState::interrupted, 10);
  make("2.db", {run(2, 2, 40, RunState::running, 5000), later});
  const auto status = study_status({path("2.db")}, kNow);
  ASSERT_EQ(status.shares.size(), 1u);
  EXPECT_EQ(status.shares[0].state, ShareState::interrupted);
  EXPECT_DOUBLE_EQ(status.shares[0].progress, 0.1);
  EXPECT_THAT(status.without_study, ElementsAre(1));
}

TEST_F(StudyStatusTest, LeavesOutTheMergedStudyBesideShares) {
  make("1.db", {run(1, 1, 50, RunState::complete, 10)});
  make("study.db", {});
  const auto alone = study_status({folder_.string()}, kNow);
  EXPECT_EQ(alone.shares.size(), 1u);
  EXPECT_THAT(alone.left_out, ElementsAre(path("study.db")));
  EXPECT_EQ(alone.seconds_left, 0);
  make("share.db", {run(1, 2, 50, RunState::complete, 10)});
  const auto shared = study_status({folder_.string()}, kNow);
  ASSERT_EQ(shared.shares.size(), 1u);
  EXPECT_EQ(shared.shares[0].study, path("share.db"));
  EXPECT_THAT(shared.left_out, ElementsAre(path("study.db"), path("1.db")));
  EXPECT_EQ(shared.progress, 0.5);
  EXPECT_EQ(shared.seconds_left, std::nullopt);  // nobody works on the other share
}

TEST_F(StudyStatusTest, RefusesWhatIsNoStudy) {
  EXPECT_THROW(study_status({folder_.string()}, kNow), Error);  // empty
  make("damaged.db", {run(3, 2, 50, RunState::complete, 10)});
  EXPECT_THROW(study_status({folder_.string()}, kNow), Error);
}

}  // namespace
}  // namespace fakequant
