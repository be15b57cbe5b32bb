// On the demo model: SOURCE names the checkout. On every architecture: architectures_test.cc.
#include "engine/model_outline.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/backend.h"

namespace fakequant {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::vector<std::string> demo_model() {
  return {std::string(std::getenv("SOURCE")) + "/demo/fakequant-demo-4m-f16.gguf"};
}

TEST(MemoryInLog, IsTheSumOfWhatLlamaCppSays) {
  const auto memory = memory_in_log(
      "llama_context:        CPU  output buffer size =     0.50 MiB\n"
      "llama_kv_cache_iswa: creating non-SWA KV cache, size = 32768 cells\n"
      "llama_kv_cache:        CPU KV buffer size =     0.00 MiB\n"
      "llama_kv_cache: size =  192.00 MiB ( 32768 cells,   3 layers,  1/1 seqs), K (f32):   96.00 MiB, V (f16):   "
      "48.00 MiB\n"
      "llama_kv_cache: size =    0.25 MiB (   512 cells,  15 layers,  1/1 seqs), K (q8_0):    0.25 MiB, V (f16):    "
      "0.50 MiB\n"
      "llama_memory_recurrent: size =    2.00 MiB (     1 cells,   2 layers,  1 seqs), R (f32):    1.00 MiB, S (f32):  "
      "  1.00 MiB\n"
      "sched_reserve:        CPU compute buffer size =   396.00 MiB\n");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->cache, 194 * kMiB + kMiB / 4);
  EXPECT_EQ(memory->keys, 96 * kMiB + kMiB / 4);
  EXPECT_EQ(memory->values, 48 * kMiB + kMiB / 2);
  EXPECT_EQ(memory->compute, 396 * kMiB);
  EXPECT_EQ(memory->outputs, kMiB / 2);
}

TEST(MemoryInLog, IsUnknownWhereLlamaCppSaysSomethingElse) {
  EXPECT_FALSE(memory_in_log(""));
  EXPECT_FALSE(memory_in_log("sched_reserve: CPU compute buffer size = 396.00 MiB\n"));
  EXPECT_FALSE(memory_in_log("llama_kv_cache: size = 192.00 MiB (\nsched_reserve: CPU compute buffer size = 396 kB\n"));
}

TEST(ModelOutline, SaysWhatAContextThenTakes) {
  const Model model(demo_model());
  const ModelOutline outline(demo_model());
  EXPECT_EQ(outline.heads(), 4);
  for (const auto& options : std::vector<ContextOptions>{
           {.ctx_size = 256},
           {.ctx_size = 256, .batch_size = 1, .max_outputs = 8},
           {.ctx_size = 128, .batch_size = 64, .attention = {"q8_0", "q4_0", FlashAttention::on}},
           {.ctx_size = 2048, .max_outputs = 16, .arithmetic = Arithmetic::f32}}) {
    const auto foretold = outline.memory_of(options);
    ASSERT_TRUE(foretold);
    EXPECT_GT(foretold->compute, 0U);
    const auto log = engine_log_of([&] { const Context context(model, options); });
    EXPECT_EQ(*foretold, memory_in_log(log)) << log;
  }
  const ContextOptions options{.ctx_size = 256};
  EXPECT_EQ(outline.memory_of(options, 3)->cache, 3 * outline.memory_of(options)->cache);
}

TEST(ModelOutline, IsSilentAboutWhatCannotBe) {
  EXPECT_FALSE(ModelOutline({"/nothing.gguf"}).memory_of({.ctx_size = 64}));
  EXPECT_FALSE(
      ModelOutline(demo_model()).memory_of({.ctx_size = 64, .attention = {"f16", "q4_0", FlashAttention::off}}));
  EXPECT_EQ(engine_error(), "");
}

}  // namespace
}  // namespace fakequant
