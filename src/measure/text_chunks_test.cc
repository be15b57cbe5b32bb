#include "measure/text_chunks.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "error.h"
#include "text_file.h"

namespace fakequant {
namespace {

std::string source(const std::string& file) { return std::string(std::getenv("SOURCE")) + "/" + file; }

const Model& model() {
  static const Model model({source("demo/fakequant-demo-4m-f16.gguf")});
  return model;
}

// A file that exists for the duration of the test.
class TextFile {
 public:
  explicit TextFile(const std::string& text)
      : path_((std::filesystem::temp_directory_path() / ("fakequant-text-" + std::to_string(getpid()))).string()) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  ~TextFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<Token> all_tokens(const Text& text, std::size_t window, std::size_t together = 100) {
  TokenStream stream(model(), text, window);
  std::vector<Token> tokens;
  while (stream.has(together)) {
    const auto more = stream.take(together);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  while (stream.has(1)) tokens.push_back(stream.take(1).front());
  EXPECT_EQ(stream.total(), static_cast<std::int64_t>(tokens.size()));
  return tokens;
}

TEST(TokenStream, EqualsTokenizingTheWholeTextForAnyWindow) {
  const auto text = read_text(source("demo/heldout.txt")).substr(0, 150000);
  const auto expected = model().tokenize(text, true, false);
  const TextFile file(text);
  for (const std::size_t window : {8000, 8001, 20000, 65536, 100000, 150000, 1 << 20}) {
    EXPECT_EQ(all_tokens(text_file(file.path()), window), expected) << window;
    EXPECT_EQ(all_tokens({"text", text}, window), expected) << window;
  }
}

TEST(TokenStream, SplitsNoCharacter) {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "ä€😀 word" + std::to_string(i * i) + " ";
  const auto expected = model().tokenize(text, true, false);
  const TextFile file(text);
  for (std::size_t window = 9000; window < 9012; ++window)
    EXPECT_EQ(all_tokens(text_file(file.path()), window), expected);
}

TEST(TokenStream, ReadsARepetitiveTextAsAWhole) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "ha";
  const TextFile file(text);
  EXPECT_EQ(all_tokens(text_file(file.path()), 8000), model().tokenize(text, true, false));
}

TEST(TokenStream, KnowsTheTotalOnceTheTextHasBeenRead) {
  const auto text = read_text(source("demo/heldout.txt")).substr(0, 100000);
  const auto count = static_cast<double>(model().tokenize(text, true, false).size());
  const TextFile file(text);
  TokenStream stream(model(), text_file(file.path()), 20000);
  ASSERT_TRUE(stream.has(10));
  EXPECT_FALSE(stream.total());
  EXPECT_NEAR(static_cast<double>(stream.expected_total()), count, 0.1 * count);
}

TEST(TokenStream, TakesBytesThatAreNotUtf8AsTheyAre) {
  std::string text;
  for (int i = 0; i < 1500; ++i) text += "caf\xe9 \xff\x80 word" + std::to_string(i * i) + " ";
  const TextFile file(text);
  for (const std::size_t window : {6000, 6001, 1 << 20})
    EXPECT_EQ(all_tokens(text_file(file.path()), window), model().tokenize(text, true, false)) << window;
}

TEST(ChunkShape, SlicesCoverAChunkAndItsPredictionsOnce) {
  for (const std::size_t size : {4, 5, 100, 127, 128, 256, 511, 512, 2048, 8192}) {
    for (const int vocabulary : {300, 32000, 128256, 262144}) {
      const ChunkShape shape{size};
      std::size_t end = 0, scored = 0;
      for (const auto& slice : shape.slices(vocabulary)) {
        EXPECT_EQ(slice.begin, end);
        end = slice.end;
        EXPECT_EQ(slice.begin + slice.outputs.first, shape.first_scored() + scored);
        scored += slice.outputs.count;
        EXPECT_GE(slice.size(), std::min<std::size_t>(64, size));
        const auto bytes = slice.outputs.count * static_cast<std::size_t>(vocabulary) * sizeof(float);
        EXPECT_TRUE(bytes <= std::size_t{40} << 20 || slice.outputs.count < 128) << size << " " << vocabulary;
      }
      EXPECT_EQ(end, size);
      EXPECT_EQ(scored, shape.scored());
    }
  }
}

}  // namespace
}  // namespace fakequant
