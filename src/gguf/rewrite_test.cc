#include "gguf/rewrite.h"

#include <gtest/gtest.h>

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

std::string rewritten(const std::string& bytes, const std::vector<StringKey>& keys,
                      const std::vector<std::size_t>& tensors, const TestFolder& folder) {
  const GgufFile file(folder.write("in.gguf", bytes));
  std::vector<TensorPiece> pieces;
  for (const auto tensor : tensors) {
    for (const auto& piece : tensor_pieces(file, tensor)) pieces.push_back(piece);
  }
  const MemoryFile out("test");
  const auto negate = [&](std::size_t i) {
    auto values = read_piece_values(file, pieces[i]);
    for (auto& value : values) value = -value;
    std::vector<std::byte> stored(values.size() * sizeof(float));
    encode_values(0, values, stored);
    return stored;
  };
  rewrite(file, out.fd(), out.path(), keys, pieces, negate, 2);
  return TestFolder::read(out.path());
}

TEST(Rewrite, WithoutChangesCopiesEveryByte) {
  const TestFolder folder;
  const auto bytes = model().bytes();
  EXPECT_EQ(rewritten(bytes, {}, {}, folder), bytes);
  EXPECT_EQ(rewritten(bytes + "trailing bytes", {}, {}, folder), bytes + "trailing bytes");
}

TEST(Rewrite, ChangesOnlyTheTensorsNamed) {
  const TestFolder folder;
  auto expected = TestGguf();
  expected.text("general.architecture", "llama").text("unknown.key", "stays").number("some.number", 7);
  expected.floats("a", {1, 2, 3}).floats("b", {-4, -5, -6, -7}).floats("c", {8});
  EXPECT_EQ(rewritten(model().bytes(), {}, {1}, folder), expected.bytes());
}

TEST(Rewrite, SetsKeysBehindTheOthersAndReplacesThoseOfTheSameName) {
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

TEST(Rewrite, CopiesAFileWithoutTensors) {
  const TestFolder folder;
  const auto bytes = TestGguf().text("general.architecture", "llama").bytes();
  EXPECT_EQ(rewritten(bytes, {}, {}, folder), bytes);
}

}  // namespace
}  // namespace fakequant
