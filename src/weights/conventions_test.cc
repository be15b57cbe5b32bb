// Formats against the libraries that deploy them, on the weights of a trained model: tests/golden/conventions.txt has
// checksums of what their own code makes of these. scripts/golden_conventions.py wrote it.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "format/fake_quantize.h"
#include "gguf/gguf_model.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

constexpr std::size_t kValues = std::size_t{1} << 20;
constexpr std::int64_t kColumns = 1024;

// As demo_weights() of that script.
std::vector<float> demo_weights(const std::string& source) {
  const GgufModel model(source + "/demo/fakequant-demo-4m-f16.gguf");
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
  const std::string source = std::getenv("SOURCE");
  const auto weights = demo_weights(source);
  std::ifstream file(source + "/tests/golden/conventions.txt");
  ASSERT_TRUE(file);
  int compared = 0;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string sum, text, library, version, values;
    words >> sum >> text >> library >> version >> values;
    if (values != "weights") continue;
    auto rounded = weights;
    round_values(parse_format(text), rounded, {.row = kColumns});
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < kValues; ++i) {
      found += std::bit_cast<std::uint32_t>(rounded[i] + 0.0f) * std::uint64_t{2 * i + 1};
    }
    EXPECT_EQ(found, std::stoull(sum, nullptr, 16)) << line;
    ++compared;
  }
  EXPECT_GT(compared, 40);
}

}  // namespace
}  // namespace fakequant
