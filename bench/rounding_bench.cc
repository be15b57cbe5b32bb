// How fast the rounding kernels are, beside memcpy and ggml's own round trip through BF16.
//
// One core, arrays far larger than the caches. Each peer is timed in turn with the kernel, several times; printed are
// medians and the ratio to memcpy's speed, so that the machine's own speed drops out.
#include <fmt/format.h>
#include <ggml.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "format/fake_quantize.h"
#include "measure/paired_ratio.h"

namespace {

constexpr std::size_t kElements = std::size_t{1} << 26;  // 256 MiB
constexpr int kRepetitions = 9;

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Contestant {
  const char* name;
  std::function<void()> work;
  std::vector<double> seconds = {};
};

}  // namespace

int main() {
  std::vector<float> values(kElements), target(kElements, 1.0f);
  std::vector<ggml_bf16_t> halves(kElements);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < kElements; ++i) values[i] = i < 1 << 16 ? normal(random) : values[i - (1 << 16)];

  // Rounding in place reads and writes each value once, as memcpy does; what it finds is already rounded after the
  // first time, which costs the same.
  std::vector<Contestant> contestants = {
      {"memcpy", [&] { std::memcpy(target.data(), values.data(), kElements * sizeof(float)); }},
      {"bf16, nearest", [&] { fakequant::fake_quantize(fakequant::parse_format("bf16"), values); }},
      {"bf16, zero", [&] { fakequant::fake_quantize(fakequant::parse_format("bf16,round=zero"), values); }},
      {"ggml's bf16 and back",
       [&] {
         ggml_fp32_to_bf16_row(values.data(), halves.data(), kElements);
         ggml_bf16_to_fp32_row(halves.data(), values.data(), kElements);
       }},
  };
  for (auto& contestant : contestants) contestant.work();
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    for (auto& contestant : contestants) contestant.seconds.push_back(seconds_of(contestant.work));
  }
  fmt::print("{:24} {:>16} {:>18}\n", "rounding, with figures", "G elements/s", "speed / memcpy's");
  const double copy = fakequant::median(contestants[0].seconds);
  for (const auto& contestant : contestants) {
    const double seconds = fakequant::median(contestant.seconds);
    fmt::print("{:24} {:16.2f} {:18.2f}\n", contestant.name, kElements / seconds / 1e9, copy / seconds);
  }
  return 0;
}
