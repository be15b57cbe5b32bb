#include "gguf/gguf_writer.h"

#include <gtest/gtest.h>

#include "gguf/gguf_model.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "gguf/test_gguf.h"

namespace fakequant {
namespace {

TEST(GgufWriter, WritesWhatGgufFileReads) {
  GgufWriter writer;
  writer.add_text("general.type", "imatrix");
  writer.add_number("a.number", 7);
  writer.add_texts("some.texts", {"one", "", "three"});
  const Buffer<float> a = {1, 2, 3}, b = {4, 5, 6, 7};
  writer.add_tensor("a", {3, 1}, a);
  writer.add_tensor("b", {2, 2}, b);
  const TestFolder folder;
  const GgufModel model(folder.write("made.gguf", writer.bytes()));
  const auto& file = model.first();
  EXPECT_EQ(file.find_string("general.type"), "imatrix");
  EXPECT_EQ(file.find_integer("a.number"), 7);
  EXPECT_EQ(file.find_strings("some.texts"), (std::vector<std::string>{"one", "", "three"}));
  EXPECT_TRUE(file.find_strings("a.number").empty());
  ASSERT_EQ(model.tensors().size(), 2U);
  EXPECT_EQ(model.tensors()[0].shape, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(model.tensors()[1].shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_TRUE(is_float32(model.tensors()[1].type));
  EXPECT_EQ(read_piece_values(model, {0, 0, 3}), a);
  EXPECT_EQ(read_piece_values(model, {1, 0, 4}), b);
}

}  // namespace
}  // namespace fakequant
