#include "gguf/gguf_model.h"

#include <gguf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"
#include "gguf/test_gguf.h"

namespace fakequant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A part with one tensor, whose only value is its number.
TestGguf part(std::uint16_t number, std::uint16_t count, const std::string& tensor, std::int32_t tensors = 3) {
  TestGguf gguf;
  gguf.key("split.no", GGUF_TYPE_UINT16, raw(number))
      .key("split.count", GGUF_TYPE_UINT16, raw(count))
      .key("split.tensors.count", GGUF_TYPE_INT32, raw(tensors));
  if (number == 0) gguf.text("general.architecture", "llama");
  return gguf.floats(tensor, {static_cast<float>(number)});
}

class SplitModel : public testing::Test {
 protected:
  std::string write(std::uint16_t number, const TestGguf& gguf) const {
    return folder_.write("m-0000" + std::to_string(number + 1) + "-of-00003.gguf", gguf.bytes());
  }
  void write_all() const {
    for (std::uint16_t number = 0; number < 3; ++number) write(number, part(number, 3, std::string(1, "abc"[number])));
  }
  std::string refusal(const std::string& name = "m-00001-of-00003.gguf") const {
    try {
      GgufModel model(folder_.path(name));
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::work);
      return error.what();
    }
    return "accepted";
  }

  TestFolder folder_;
};

TEST_F(SplitModel, IsOpenedThroughAnyOfItsParts) {
  write_all();
  for (const auto* name : {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"}) {
    const GgufModel model(folder_.path(name));
    EXPECT_EQ(model.path(), folder_.path("m-00001-of-00003.gguf"));
    EXPECT_EQ(model.parts().size(), 3u);
    EXPECT_EQ(model.first().find_string("general.architecture"), "llama");
    ASSERT_EQ(model.tensors().size(), 3u);
    for (std::size_t t = 0; t < 3; ++t) {
      float value = -1;
      model.read(model.tensors()[t], 0, std::as_writable_bytes(std::span(&value, 1)));
      EXPECT_EQ(value, static_cast<float>(t));
      EXPECT_EQ(model.index_of(*model.find_tensor(std::string(1, "abc"[t]))), t);
    }
    EXPECT_EQ(model.find_tensor("d"), nullptr);
  }
}

TEST_F(SplitModel, IsRefusedWhenAPartIsMissingOrAnothers) {
  write_all();
  EXPECT_EQ(refusal(), "accepted");
  std::filesystem::remove(folder_.path("m-00002-of-00003.gguf"));
  EXPECT_THAT(refusal(), HasSubstr("cannot open " + folder_.path("m-00002-of-00003.gguf")));
  write(1, part(2, 3, "b"));
  EXPECT_THAT(refusal(), HasSubstr("is not part 2 of its model, although its name says so: its split.no is 2"));
  write(1, part(1, 4, "b"));
  EXPECT_THAT(refusal(), HasSubstr("not part of a model in 3 parts: its split.count is 4"));
  write(1, TestGguf().floats("b", {1}));
  EXPECT_THAT(refusal(), HasSubstr("its split.count is missing"));
  write(1, part(1, 3, "a"));
  EXPECT_THAT(refusal(), HasSubstr("tensor 'a' occurs twice"));
  write(1, part(1, 3, "b").floats("more", {1}));
  EXPECT_THAT(refusal(), HasSubstr("have 4 tensors, and its split.tensors.count is 3"));
}

TEST_F(SplitModel, IsRefusedUnderANameThatDoesNotSayWhichPartItIs) {
  folder_.write("part.gguf", part(0, 3, "a").bytes());
  EXPECT_THAT(refusal("part.gguf"), HasSubstr("one of the 3 parts of a model, but its name does not say which"));
  folder_.write("m-00001-of-00002.gguf", part(0, 3, "a").bytes());
  EXPECT_THAT(refusal("m-00001-of-00002.gguf"), HasSubstr("does not say which"));
}

TEST(GgufModel, ReadsNoFurtherThanAFileThatShrank) {
  const TestFolder folder;
  const GgufModel model(folder.write("m.gguf", TestGguf().floats("a", {1, 2, 3}).bytes()));
  std::filesystem::resize_file(folder.path("m.gguf"), model.tensors()[0].begin + 4);
  std::array<float, 3> values{};
  try {
    model.read(model.tensors()[0], 0, std::as_writable_bytes(std::span(values)));
    FAIL() << "it was read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("while it is read"));
  }
}

TEST(PartPaths, NumberTheParts) {
  EXPECT_THAT(part_paths("out.gguf", 1), ElementsAre("out.gguf"));
  EXPECT_THAT(part_paths("out.gguf", 2), ElementsAre("out-00001-of-00002.gguf", "out-00002-of-00002.gguf"));
  EXPECT_THAT(part_paths("out", 2), ElementsAre("out-00001-of-00002.gguf", "out-00002-of-00002.gguf"));
  EXPECT_THAT(part_paths("dir/out-00001-of-00009.gguf", 2),
              ElementsAre("dir/out-00001-of-00002.gguf", "dir/out-00002-of-00002.gguf"));
}

}  // namespace
}  // namespace fakequant
