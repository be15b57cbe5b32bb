#include "measure/worst_tokens.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(WorstTokens, KeepsTheTenThatDivergeMostAndOfEqualsTheFirst) {
  const auto source = std::getenv("SOURCE");
  ASSERT_NE(source, nullptr);
  const Model model({std::string(source) + "/demo/fakequant-demo-4m-f16.gguf"});
  WorstTokens worst;
  const std::vector<Token> tokens(40, 100);
  for (int chunk = 0; chunk < 5; ++chunk) {
    std::vector<TokenScore> scores(19);
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i].kld = static_cast<double>(i % 4);  // 0 1 2 3 0 1 ...
    worst.add(2, chunk, tokens, 20, scores);
  }
  const auto found = worst.in_words(model);
  ASSERT_EQ(found.size(), 10);
  // The threes of chunk 0 at 3, 7, 11, 15, then those of chunk 1, then of chunk 2.
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].kld, 3);
    EXPECT_EQ(found[i].text, 2);
    EXPECT_EQ(found[i].chunk, static_cast<int>(i / 4));
    EXPECT_EQ(found[i].position, 20 + 3 + 4 * static_cast<int>(i % 4) + 1);
    EXPECT_EQ(found[i].token, model.text({100}));
  }
}

TEST(WorstTokens, HasNoneWhereNothingDiverges) {
  WorstTokens worst;
  const std::vector<Token> tokens(4, 1);
  const std::vector<TokenScore> scores(1);
  worst.add(0, 0, tokens, 2, scores);
  const Model model({std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf"});
  EXPECT_TRUE(worst.in_words(model).empty());
}

}  // namespace
}  // namespace fakequant
