#include "gguf/file_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "error.h"
#include "gguf/test_gguf.h"

namespace fakequant {
namespace {

TEST(FileLock, IsHeldByOne) {
  const TestFolder folder;
  std::optional<FileLock> first(folder.path("out"));
  EXPECT_THROW(FileLock(folder.path("out")), Error);
  EXPECT_NO_THROW(FileLock(folder.path("other")));
  first.reset();
  EXPECT_NO_THROW(FileLock(folder.path("out")));
  EXPECT_TRUE(folder.files().empty());
}

TEST(FileLock, TakesOverWhatAKilledProgramLeft) {
  const TestFolder folder;
  { const FileLock lock(folder.path("out")); }
  std::string left;
  {
    const FileLock lock(folder.path("out"));
    left = folder.files().front();
  }
  folder.write(left, "");
  EXPECT_NO_THROW(FileLock(folder.path("out")));
}

TEST(FileLock, IsNoneWhereNoFileCanBe) {
  EXPECT_NO_THROW(FileLock("/no/such/folder/out"));
  EXPECT_NO_THROW(FileLock(std::string("/proc/out")));
}

}  // namespace
}  // namespace fakequant
