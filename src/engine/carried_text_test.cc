// On a small model of each architecture (architectures_test.cc): a text that is carried through the model a layer at a
// time shows the products the same inputs as one that goes through it whole.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/architecture_models.h"
#include "engine/context.h"
#include "error.h"
#include "gguf/gguf_file.h"

namespace fakequant {
namespace {

constexpr int kTokens = 24;

using Inputs = std::map<std::string, std::vector<float>>;  // all rows that the product with each weight reads

InputViewer into(Inputs& inputs) {
  return [&inputs](const ProductInput& input) {
    auto& rows = inputs[input.weight];
    rows.insert(rows.end(), input.row.begin(), input.row.end());
  };
}

class CarriedTexts : public testing::TestWithParam<std::string> {};

TEST_P(CarriedTexts, ShowTheInputsOfAWholeEvaluation) {
  const Model model({GetParam()});
  std::vector<Token> tokens;
  for (int i = 0; i < kTokens; ++i) tokens.push_back((i * 37 + 5) % model.vocabulary_size());
  std::unique_ptr<Context> context;
  try {
    context = std::make_unique<Context>(model, context_options(kTokens, {}), Recipe{});
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("does not predict the next token"));
    return;
  }
  Inputs expected, found;
  context->show_inputs(into(expected));
  context->evaluate(tokens, {0, tokens.size()});
  HiddenStates states;
  int begun = 0;
  for (int layer = 0; layer <= model.layers(); ++layer) {
    context->show_inputs(into(found), [&](const std::string& weight) {
      return layer_of_tensor(weight).value_or(model.layers()) == layer;
    });
    context->clear();
    HiddenStates carried;
    if (context->carry(states, carried, layer).layer > 0) ++begun;
    context->evaluate(tokens, {0, tokens.size()});
    states = std::move(carried);
  }
  EXPECT_EQ(found, expected);
  if (begun == 0) fmt::print("(computed whole)\n");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CarriedTexts);
INSTANTIATE_TEST_SUITE_P(All, CarriedTexts, testing::ValuesIn(architecture_models()), architecture_name);

}  // namespace
}  // namespace fakequant
