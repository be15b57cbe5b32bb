// Formats against the libraries that deploy them, on the weights of a trained model: tests/golden/conventions.txt has
// checksums of what their own code makes of these. scripts/golden_conventions.py wrote it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "format/fake_quantize.h"
#include "format/golden_conventions.h"
#include "gguf/gguf_model.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

constexpr std::size_t kValues = std::size_t{1} << 20;
constexpr std::int64_t kColumns = 1024;

// As demo_weights() of that script.
std::vector<float> demo_weights() {
  const GgufModel model(std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf");
  const int f16 = plain_float_type("f16");
  std::vector<float> values;
  for (std::size_t t = 0; t < model.tensors().size() && values.size() < kValues; ++t) {
    if (model.tensors()[t].type != f16) continue;
    const auto of_tensor = read_piece_values(model, {t, 0, model.tensors()[t].elements});
    values.insert(values.end(), of_tensor.begin(), of_tensor.end());
  }
  values.resize(kValues);
  return values;
}

TEST(Conventions, AreThoseOfTheirOwnersOnRealWeights) {
  const auto weights = demo_weights();
  int compared = 0;
  for (const auto& convention : golden_conventions()) {
    if (convention.values != "weights") continue;
    auto rounded = weights;
    round_values(parse_format(convention.format), rounded, {.row = kColumns});
    EXPECT_EQ(golden_checksum(rounded), convention.checksum()) << convention.format << " " << convention.library;
    ++compared;
  }
  EXPECT_GT(compared, 40);
}

}  // namespace
}  // namespace fakequant
