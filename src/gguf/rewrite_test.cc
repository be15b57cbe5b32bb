#include "gguf/rewrite.h"

#include <ggml.h>
#include <gguf.h>
#include <gtest/gtest.h>

#include <functional>

#include "error.h"
#include "gguf/memory_file.h"
#include "gguf/tensor_type.h"
#include "gguf/test_gguf.h"

namespace fakequant {
namespace {

TestGguf model() {
  TestGguf gguf;
  gguf.text("general.architecture", "llama").text("unknown.key", "stays").number("some.number", 7);
  gguf.floats("a", {1, 2, 3}).floats("b", {4, 5, 6, 7}).floats("c", {8});
  return gguf;
}

// The model at `path` with these tensors negated and stored as `type`.
std::string rewritten_file(const std::string& path, const std::vector<StringKey>& keys,
                           const std::map<std::size_t, int>& tensors) {
  const GgufModel model(path);
  const MemoryFile out("test");
  const Rewrite rewrite(model, {{out.fd(), out.path()}}, tensors, {.strings = keys});
  rewrite.write_headers();
  for (std::int64_t i = 0; i < rewrite.copies(); ++i) rewrite.copy(i);
  for (const auto& [tensor, type] : tensors) {
    TensorPieces pieces;
    pieces.add(tensor, model.tensors()[tensor]);
    for (std::int64_t i = 0; i < pieces.size(); ++i) {
      auto values = read_piece_values(model, pieces[i]);
      for (auto& value : values) value = -value;
      rewrite.write(pieces[i], encode_values(type, values, 1));
    }
  }
  auto bytes = TestFolder::read(out.path());
  EXPECT_EQ(bytes.size(), rewrite.size());
  return bytes;
}

std::string rewritten(const std::string& bytes, const std::vector<StringKey>& keys,
                      const std::vector<std::size_t>& tensors, const TestFolder& folder) {
  std::map<std::size_t, int> types;
  for (const auto tensor : tensors) types[tensor] = GGML_TYPE_F32;
  return rewritten_file(folder.write("in.gguf", bytes), keys, types);
}

TEST(Rewrite, WithoutChangesCopiesEveryByte) {
  const TestFolder folder;
  const auto bytes = model().bytes();
  EXPECT_EQ(rewritten(bytes, {}, {}, folder), bytes);
  EXPECT_EQ(rewritten(bytes + "trailing bytes", {}, {}, folder), bytes + "trailing bytes");
}

TEST(Rewrite, ReplacesNumbersWhereTheyAre) {
  const TestFolder folder;
  const GgufModel before(folder.write("in.gguf", model().bytes()));
  const MemoryFile out("test");
  const Rewrite rewrite(before, {{out.fd(), out.path()}}, {},
                        {.replaced = {{"some.number", 9}, {"no.such", 1}, {"unknown.key", 2}}});
  rewrite.write_headers();
  for (std::int64_t i = 0; i < rewrite.copies(); ++i) rewrite.copy(i);
  const GgufFile after(out.path());
  EXPECT_EQ(after.find_integer("some.number"), 9);
  EXPECT_EQ(after.find_string("unknown.key"), "stays");
  EXPECT_EQ(after.find_key("no.such"), nullptr);
  EXPECT_EQ(after.size(), before.size());
}

TEST(Rewrite, SetsNumbersWhetherTheModelHasThemOrNot) {
  const TestFolder folder;
  const GgufModel before(folder.write("in.gguf", model().bytes()));
  const MemoryFile out("test");
  const Rewrite rewrite(before, {{out.fd(), out.path()}}, {},
                        {.strings = {{"a.string", "x"}},
                         .numbers = {{"some.number", 9}, {"no.such", 1}, {"unknown.key", 2}},
                         .keeps_page_offset = false});
  rewrite.write_headers();
  for (std::int64_t i = 0; i < rewrite.copies(); ++i) rewrite.copy(i);
  const GgufFile after(out.path());
  EXPECT_EQ(after.find_integer("some.number"), 9);
  EXPECT_EQ(after.find_integer("unknown.key"), 2);
  EXPECT_EQ(after.find_integer("no.such"), 1);
  EXPECT_EQ(after.find_string("a.string"), "x");
  EXPECT_EQ(after.metadata().size(), before.first().metadata().size() + 2);
  EXPECT_EQ(after.size(), rewrite.size());
}

TEST(Rewrite, ChangesOnlyTheTensorsNamed) {
  const TestFolder folder;
  auto expected = TestGguf();
  expected.text("general.architecture", "llama").text("unknown.key", "stays").number("some.number", 7);
  expected.floats("a", {1, 2, 3}).floats("b", {-4, -5, -6, -7}).floats("c", {8});
  EXPECT_EQ(rewritten(model().bytes(), {}, {1}, folder), expected.bytes());
}

TEST(Rewrite, AppendsKeysAndReplacesThoseOfTheSameName) {
  const TestFolder folder;
  const std::vector<StringKey> keys = {{"unknown.key", "new"}, {"another.key", "value"}};
  const auto once = rewritten(model().bytes(), keys, {2}, folder);
  const GgufFile before(folder.write("before.gguf", model().bytes())), after(folder.write("after.gguf", once));
  EXPECT_EQ(after.data_begin() % 4096, before.data_begin() % 4096);
  const auto padded = after.find_string("another.key").value();
  EXPECT_EQ(padded, "value" + std::string(padded.size() - 5, ' '));

  auto expected = TestGguf();
  expected.text("general.architecture", "llama").number("some.number", 7);
  expected.text("unknown.key", "new").text("another.key", padded);
  expected.floats("a", {1, 2, 3}).floats("b", {4, 5, 6, 7}).floats("c", {-8});
  EXPECT_EQ(once, expected.bytes());
  EXPECT_EQ(rewritten(once, keys, {}, folder), once);
}

TEST(Rewrite, MovesWhatLiesBehindATensorOfAnotherType) {
  const TestFolder folder;
  std::vector<float> negated(40);
  std::string halves;
  for (std::size_t i = 0; i < 40; ++i) {
    halves += raw(static_cast<std::uint16_t>(0x3C00));  // 1
    negated[i] = -1;
  }
  const auto model_with = [&](const std::function<void(TestGguf&)>& add_b) {
    TestGguf gguf;
    gguf.text("general.architecture", "llama").floats("a", {1, 2, 3});
    add_b(gguf);
    return gguf.floats("c", {8}).bytes();
  };
  const auto as_halves = model_with([&](TestGguf& gguf) { gguf.tensor("b", {40}, GGML_TYPE_F16, halves); });
  const auto as_floats = model_with([&](TestGguf& gguf) { gguf.floats("b", negated); });
  EXPECT_EQ(rewritten_file(folder.write("m.gguf", as_halves), {}, {{1, GGML_TYPE_F32}}), as_floats);

  // The reverse, with every tensor replaced and bytes after the last.
  const auto narrowed = rewritten_file(folder.write("m.gguf", as_floats + "more"), {}, {{1, GGML_TYPE_F16}});
  EXPECT_EQ(narrowed, as_halves + "more");
}

TEST(Rewrite, MovesTheEndWhereTheLastTensorHasNoPadding) {
  const TestFolder folder;
  const auto whole = TestGguf().floats("a", {1}).tensor("b", {3}, GGML_TYPE_F16, std::string(6, '\0')).bytes();
  const auto shortened = whole.substr(0, whole.size() - 26);  // the padding after b's six bytes
  const auto grown = rewritten_file(folder.write("m.gguf", shortened), {}, {{1, GGML_TYPE_F32}});
  const GgufFile after(folder.write("grown.gguf", grown));
  EXPECT_EQ(after.tensors()[1].size, 12u);
  EXPECT_EQ(after.size(), after.tensors()[1].begin + 32);
}

TEST(Rewrite, KeepsASplitModelSplit) {
  const TestFolder folder;
  const auto part = [&](std::uint16_t number) {
    TestGguf gguf;
    gguf.key("split.no", GGUF_TYPE_UINT16, raw(number)).key("split.count", GGUF_TYPE_UINT16, raw(std::uint16_t{2}));
    return gguf.floats(number == 0 ? "a" : "b", {1, 2, 3});
  };
  const auto first = folder.write("m-00001-of-00002.gguf", part(0).bytes());
  folder.write("m-00002-of-00002.gguf", part(1).bytes());
  const GgufModel model(first);
  const MemoryFile out0("0"), out1("1");
  const Rewrite rewrite(model, {{out0.fd(), out0.path()}, {out1.fd(), out1.path()}}, {{1, GGML_TYPE_F32}},
                        {.strings = {{"key", "value"}}});
  rewrite.write_headers();
  for (std::int64_t i = 0; i < rewrite.copies(); ++i) rewrite.copy(i);
  const Buffer<float> values = {4, 5, 6};
  rewrite.write({1, 0, 3}, encode_values(GGML_TYPE_F32, values, 3));
  const GgufModel after(std::vector<std::string>{out0.path(), out1.path()});
  EXPECT_TRUE(after.first().find_string("key"));
  EXPECT_FALSE(after.parts()[1].find_key("key"));
  EXPECT_EQ(read_piece_values(after, {0, 0, 3}), (Buffer<float>{1, 2, 3}));
  EXPECT_EQ(read_piece_values(after, {1, 0, 3}), values);
}

TEST(Rewrite, FailsWhereTheFileShrankMeanwhile) {
  const TestFolder folder;
  const GgufModel file(folder.write("m.gguf", model().bytes()));
  const MemoryFile out("test");
  const Rewrite rewrite(file, {{out.fd(), out.path()}}, {});
  std::filesystem::resize_file(folder.path("m.gguf"), file.first().data_begin() + 8);
  rewrite.write_headers();
  const auto copy_all = [&] {
    for (std::int64_t i = 0; i < rewrite.copies(); ++i) rewrite.copy(i);
  };
  EXPECT_THROW(copy_all(), Error);
}

TEST(Rewrite, CopiesAFileWithoutTensors) {
  const TestFolder folder;
  const auto bytes = TestGguf().text("general.architecture", "llama").bytes();
  EXPECT_EQ(rewritten(bytes, {}, {}, folder), bytes);
}

}  // namespace
}  // namespace fakequant
