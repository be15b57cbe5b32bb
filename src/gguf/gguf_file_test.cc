#include "gguf/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error.h"
#include "gguf/test_gguf.h"

namespace fakequant {
namespace {

using testing::HasSubstr;

TestGguf small_model() {
  TestGguf gguf;
  gguf.text("general.architecture", "llama")
      .number("llama.block_count", 2)
      .key("unknown.list", 9, raw(8) + raw(2L) + raw_text("a") + raw_text("b"));
  gguf.floats("blk.0.ffn_norm.weight", {1, 2, 3})
      .floats("blk.1.ffn_norm.weight", {4, 5, 6, 7})
      .floats("output_norm.weight", {8});
  return gguf;
}

// What is said about a file with these bytes.
std::string refusal(const std::string& bytes) {
  const TestFolder folder;
  try {
    GgufFile file(folder.write("m.gguf", bytes));
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::work);
    EXPECT_THAT(error.what(), HasSubstr(folder.path("m.gguf")));
    return error.what();
  }
  return "accepted";
}

TEST(GgufFile, KnowsKeysAndTensors) {
  const TestFolder folder;
  const GgufFile file(folder.write("m.gguf", small_model().bytes()));
  EXPECT_EQ(file.find_string("general.architecture"), "llama");
  EXPECT_EQ(file.find_integer("llama.block_count"), 2);
  EXPECT_FALSE(file.find_integer("general.architecture"));
  EXPECT_FALSE(file.find_string("no.such.key"));
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.tensors()[1].name, "blk.1.ffn_norm.weight");
  EXPECT_EQ(file.tensors()[1].shape, std::vector<std::int64_t>{4});
  EXPECT_EQ(file.tensors()[1].size, 16u);
  EXPECT_EQ(layer_count(file.tensors()), 2);
  std::array<float, 4> values{};
  file.read(file.tensors()[1].begin, std::as_writable_bytes(std::span(values)));
  EXPECT_EQ(values, (std::array<float, 4>{4, 5, 6, 7}));
}

TEST(GgufFile, IsRefusedWhereverItEnds) {
  const auto whole = small_model().bytes();
  // The last tensor's data ends before the padding.
  const auto needed = whole.size() - 32 + sizeof(float);
  for (std::size_t size = 0; size < needed; ++size) EXPECT_NE(refusal(whole.substr(0, size)), "accepted") << size;
  EXPECT_EQ(refusal(whole.substr(0, needed)), "accepted");
}

TEST(GgufFile, IsRefusedWithAReason) {
  EXPECT_THAT(refusal("hello, world"), HasSubstr("not a GGUF file"));
  EXPECT_THAT(refusal(""), HasSubstr("not a GGUF file: it has 0 bytes"));

  auto gguf = small_model();
  gguf.version = 1;
  EXPECT_THAT(refusal(gguf.bytes()), HasSubstr("version 1"));
  gguf.version = 0x03000000;
  EXPECT_THAT(refusal(gguf.bytes()), HasSubstr("big-endian"));

  gguf = small_model();
  gguf.key_count = std::uint64_t{1} << 60;
  EXPECT_THAT(refusal(gguf.bytes()), HasSubstr("metadata keys"));
  gguf = small_model();
  gguf.tensor_count = std::uint64_t{1} << 60;
  EXPECT_THAT(refusal(gguf.bytes()), HasSubstr("tensors"));

  EXPECT_THAT(refusal(small_model().number("llama.block_count", 3).bytes()),
              HasSubstr("'llama.block_count' occurs twice"));
  EXPECT_THAT(refusal(small_model().floats("output_norm.weight", {1}).bytes()),
              HasSubstr("'output_norm.weight' occurs twice"));
  EXPECT_THAT(refusal(small_model().key("k", 77, "").bytes()), HasSubstr("unknown type 77"));
  EXPECT_THAT(refusal(small_model().key("k", 9, raw(9) + raw(1L)).bytes()), HasSubstr("unknown type 9"));
  EXPECT_THAT(refusal(small_model().key("k", 9, raw(10) + raw(~0UL)).bytes()),
              HasSubstr("claims to have 18446744073709551615 values"));
  EXPECT_THAT(refusal(small_model().key("k", 9, raw(8) + raw(~0UL)).bytes()), HasSubstr("strings"));
  EXPECT_THAT(refusal(small_model().key("k", 8, raw(~0UL)).bytes()), HasSubstr("truncated or damaged"));
  EXPECT_THAT(refusal(small_model().number("general.alignment", 0).bytes()), HasSubstr("not a power of two"));
  EXPECT_THAT(refusal(small_model().number("general.alignment", 48).bytes()), HasSubstr("not a power of two"));
  EXPECT_THAT(refusal(small_model().key("general.alignment", 10, raw(32L)).bytes()), HasSubstr("not a uint32"));
}

TEST(GgufFile, IsRefusedForATensorThatCannotBe) {
  const auto with = [](const std::vector<std::int64_t>& shape, std::uint32_t type, std::uint64_t offset) {
    return refusal(small_model().tensor_at("t", shape, type, offset).bytes());
  };
  EXPECT_THAT(with({8}, 0, 64), HasSubstr("overlap"));
  EXPECT_THAT(with({8}, 0, 96), HasSubstr("needs 32 bytes at offset 96 of the data, which has 96"));
  EXPECT_THAT(with({8}, 0, 8), HasSubstr("not a multiple of the alignment 32"));
  EXPECT_THAT(with({8}, 0, ~31UL), HasSubstr("truncated or damaged"));
  EXPECT_THAT(with({8}, 4, 96), HasSubstr("unknown type 4"));  // a type that ggml has dropped
  EXPECT_THAT(with({8}, 1000, 96), HasSubstr("unknown type 1000"));
  EXPECT_THAT(with({31}, 8, 96), HasSubstr("not a multiple of the block size 32"));
  EXPECT_THAT(with({-1}, 0, 96), HasSubstr("impossible shape"));
  EXPECT_THAT(with({1L << 40, 1L << 40}, 0, 96), HasSubstr("impossible shape"));
  EXPECT_THAT(with({1L << 62}, 0, 96), HasSubstr("impossible size"));
  EXPECT_THAT(with({1, 1, 1, 1, 1}, 0, 96), HasSubstr("5 dimensions"));
}

TEST(GgufFile, HasTensorsWithoutValues) {
  const TestFolder folder;
  TestGguf gguf;
  gguf.tensor_at("none", {0}, 0, 0).floats("some", {1}).tensor_at("also none", {4, 0}, 0, 0);
  const GgufFile file(folder.write("m.gguf", gguf.bytes()));
  EXPECT_EQ(file.find_tensor("none")->size, 0u);
  EXPECT_EQ(file.find_tensor("also none")->elements, 0);
  EXPECT_EQ(file.find_tensor("nowhere"), nullptr);
}

TEST(LayerOfTensor, ReadsTheNumber) {
  EXPECT_EQ(layer_of_tensor("blk.12.ffn_norm.weight"), 12);
  EXPECT_EQ(layer_of_tensor("dec.blk.3.attn_q.weight"), 3);
  EXPECT_FALSE(layer_of_tensor("blk.x.ffn_norm.weight"));
  EXPECT_FALSE(layer_of_tensor("blk.12"));
  EXPECT_FALSE(layer_of_tensor("blk.-1.ffn_norm.weight"));
  EXPECT_FALSE(layer_of_tensor("token_embd.weight"));
}

}  // namespace
}  // namespace fakequant
