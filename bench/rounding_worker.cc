// Rounds arrays far larger than the caches, and says how long it took: the half of the rounding benchmark that is C++.
//
// Reads lines from standard input and answers each with seconds on standard output:
//
//   memcpy THREADS              copies the array
//   round THREADS FORMAT        rounds it in place, in rows
//   measure THREADS FORMAT      the same, with all figures of the errors
//   ggml THREADS TYPE           takes it through ggml's quantizer and back
#include <fmt/format.h>
#include <ggml.h>

#include <chrono>
#include <cstring>
#include <iostream>
#include <random>
#include <sstream>
#include <vector>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_properties.h"
#include "format/ggml_types.h"
#include "parallel.h"

namespace {

constexpr std::int64_t kElements = std::int64_t{1} << 25, kRow = 4096, kPiece = 16 * kRow, kMatrix = 128 * kRow;

void run(const std::string& what, int threads, const std::string& name, std::vector<float>& values,
         std::vector<float>& target, std::vector<char>& quantized) {
  if (what == "memcpy") {
    const auto part = kElements / threads;
    fakequant::parallel_for(threads, threads, [&](std::int64_t t) {
      std::memcpy(target.data() + t * part, values.data() + t * part, static_cast<std::size_t>(part) * sizeof(float));
    });
    return;
  }
  if (what == "ggml") {
    const auto* type = fakequant::find_block_type(name);
    if (type == nullptr) throw fakequant::Error("no such type: " + name);
    const auto id = static_cast<ggml_type>(type->id);
    fakequant::parallel_for(kElements / kPiece, threads, [&](std::int64_t piece) {
      auto* bytes = quantized.data() + piece * kPiece * static_cast<std::int64_t>(sizeof(float));
      ggml_quantize_chunk(id, values.data() + piece * kPiece, bytes, 0, kPiece / kRow, kRow, nullptr);
      ggml_get_type_traits(id)->to_float(bytes, target.data() + piece * kPiece, kPiece);
    });
    return;
  }
  // As activations are: a row is a token, with a scale of its own where the format shares one among all it is given.
  // Tiles are of weights: 128 rows are a matrix.
  const auto format = fakequant::parse_format(name);
  const bool is_tiled = fakequant::shares_scale_in_tiles(format);
  const auto size = is_tiled ? kMatrix : kPiece, part = is_tiled ? kMatrix : kRow;
  fakequant::parallel_for(kElements / size, threads, [&](std::int64_t piece) {
    for (auto row = piece * size; row < (piece + 1) * size; row += part) {
      const std::span<float> span(values.data() + row, static_cast<std::size_t>(part));
      if (what == "measure") {
        fakequant::fake_quantize(format, span, {.row = kRow});
      } else {
        fakequant::round_values(format, span, {.row = kRow});
      }
    }
  });
}

}  // namespace

int main() {
  fakequant::register_ggml_types();
  std::vector<float> original(kElements), target(kElements, 1.0f);
  std::vector<char> quantized(kElements * sizeof(float), 1);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < kElements; ++i) original[i] = i < 1 << 16 ? normal(random) : original[i - (1 << 16)];
  auto values = original;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what, name;
    int threads = 1;
    words >> what >> threads >> name;
    values = original;  // never values that are rounded already
    const auto begin = std::chrono::steady_clock::now();
    run(what, threads, name, values, target, quantized);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    fmt::print("{} {}\n", kElements, seconds.count());
    std::fflush(stdout);
  }
  return 0;
}
