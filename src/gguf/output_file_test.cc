#include "gguf/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "gguf/test_gguf.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

TEST(OutputFile, AppearsOnlyWhenCommitted) {
  const TestFolder folder;
  {
    OutputFile file(folder.path("out"));
    write_exactly(file.fd(), 0, std::as_bytes(std::span("half", 4)), file.path());
    EXPECT_FALSE(std::filesystem::exists(folder.path("out")));
  }
  EXPECT_TRUE(folder.files().empty());
  write_file(folder.path("out"), "whole");
  EXPECT_EQ(folder.files(), std::vector<std::string>{"out"});
  EXPECT_EQ(TestFolder::read(folder.path("out")), "whole");
}

TEST(OutputFile, ReplacesAFileAtOnce) {
  const TestFolder folder;
  folder.write("out", "old");
  OutputFile file(folder.path("out"));
  write_exactly(file.fd(), 0, std::as_bytes(std::span("new", 3)), file.path());
  EXPECT_EQ(TestFolder::read(folder.path("out")), "old");
  file.commit();
  EXPECT_EQ(TestFolder::read(folder.path("out")), "new");
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(OutputFile, FollowsALink) {
  const TestFolder folder;
  folder.write("real", "old");
  std::filesystem::create_symlink("real", folder.path("link"));
  write_file(folder.path("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
  EXPECT_EQ(TestFolder::read(folder.path("real")), "new");
}

TEST(OutputFile, WritesIntoAPipeOrDevice) { EXPECT_NO_THROW(write_file("/dev/null", "gone")); }

TEST(OutputFile, HasTheModeThatTheUmaskLeaves) {
  const TestFolder folder;
  const auto before = umask(027);
  write_file(folder.path("out"), "");
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(folder.path("out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(OutputFile, TakesNamesAsLongAsNamesCanBe) {
  const TestFolder folder;
  for (const std::size_t length : {240, 248, 255}) {
    const std::string name(length, 'n');
    write_file(folder.path(name), "new");
    EXPECT_EQ(TestFolder::read(folder.path(name)), "new");
  }
  EXPECT_THROW(OutputFile(folder.path(std::string(256, 'n'))), Error);
}

TEST(OutputFile, OverwritesAFileInAFolderWhereItMayMakeNone) {
  if (geteuid() == 0) GTEST_SKIP() << "root may make files everywhere";
  const TestFolder folder;
  folder.write("out", "old and longer");
  ASSERT_EQ(chmod(folder.path("").c_str(), 0500), 0);
  write_file(folder.path("out"), "new");
  ASSERT_EQ(chmod(folder.path("").c_str(), 0700), 0);
  EXPECT_EQ(TestFolder::read(folder.path("out")), "new");
}

TEST(OutputFile, ReservesSpaceWithoutGrowing) {
  const TestFolder folder;
  OutputFile file(folder.path("out"));
  file.reserve(1 << 20);
  write_text(file, "short");
  file.commit();
  EXPECT_EQ(TestFolder::read(folder.path("out")), "short");
}

TEST(OutputFile, KeepsATextWhereItCan) {
  const auto kept = keep_text("text", "/some/folder/" + std::string(255, 'n'));
  ASSERT_TRUE(kept);
  EXPECT_EQ(TestFolder::read(*kept), "text");
  std::filesystem::remove(*kept);
}

TEST(OutputFile, SaysWhyItCannotBeWritten) {
  const TestFolder folder;
  const auto refusal = [](const std::string& path) -> std::string {
    try {
      write_file(path, "x");
    } catch (const Error& error) {
      return error.what();
    }
    return "written";
  };
  EXPECT_THAT(refusal(folder.path("no/such/folder")), HasSubstr("No such file or directory"));
  EXPECT_THAT(refusal(folder.path("")), HasSubstr("is a folder"));
}

}  // namespace
}  // namespace fakequant
