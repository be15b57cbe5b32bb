#include "recipe/layer_set.h"

#include <gtest/gtest.h>

#include "error.h"

namespace fakequant {
namespace {

std::vector<int> layers(const std::string& text, int count) {
  const auto set = parse_layers(text);
  std::vector<int> contained;
  for (int layer = 0; layer < count; ++layer) {
    if (set.contains(layer, count)) contained.push_back(layer);
  }
  return contained;
}

TEST(LayerSet, ContainsTheLayersOfItsText) {
  EXPECT_EQ(layers("all", 3), (std::vector{0, 1, 2}));
  EXPECT_EQ(layers("first:2", 6), (std::vector{0, 1}));
  EXPECT_EQ(layers("last:2", 6), (std::vector{4, 5}));
  EXPECT_EQ(layers("last:9", 3), (std::vector{0, 1, 2}));
  EXPECT_EQ(layers("4", 6), (std::vector{4}));
  EXPECT_EQ(layers("0-2,4", 6), (std::vector{0, 1, 2, 4}));
}

TEST(LayerSet, KnowsItsHighestLayer) {
  EXPECT_EQ(parse_layers("all").highest(), -1);
  EXPECT_EQ(parse_layers("last:5").highest(), -1);
  EXPECT_EQ(parse_layers("3,0-7,2").highest(), 7);
}

TEST(LayerSet, ReadsAndWritesItsText) {
  for (const auto* text : {"all", "first:5", "last:1", "3", "0-4,10"}) EXPECT_EQ(to_string(parse_layers(text)), text);
}

TEST(LayerSet, RefusesAnInvalidText) {
  for (const auto* text :
       {"", "-1", "x", "1-", "-", "4-2", "1,,2", "1,", "first:0", "last:", "first:-1", "1 ", "99999999999"}) {
    EXPECT_THROW(parse_layers(text), Error) << text;
  }
}

}  // namespace
}  // namespace fakequant
