#include "engine/kernel_input.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <cmath>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/packed_weights.h"
#include "gguf/tensor_type.h"

namespace fakequant {
namespace {

constexpr int kColumns = 512, kRows = 64, kTokens = 2;

std::vector<float> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (auto& value : values) value = normal(random);
  return values;
}

// weights x input by the CPU's own kernel, with the weights in this type and layout.
std::vector<float> product(int type, ggml_backend_buffer_type* layout, const std::vector<float>& weights,
                           const std::vector<float>& input) {
  auto* backend = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
  auto* of_weights = ggml_init({ggml_tensor_overhead(), nullptr, true});
  auto* context = ggml_init({16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true});
  auto* w = ggml_new_tensor_2d(of_weights, static_cast<ggml_type>(type), kColumns, kRows);
  auto* packed = ggml_backend_alloc_ctx_tensors_from_buft(of_weights, layout);
  ggml_backend_buffer_set_usage(packed, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  auto* x = ggml_new_tensor_2d(context, GGML_TYPE_F32, kColumns, kTokens);
  auto* y = ggml_mul_mat(context, w, x);
  auto* graph = ggml_new_graph(context);
  ggml_build_forward_expand(graph, y);
  auto* buffer = ggml_backend_alloc_ctx_tensors(context, backend);
  std::vector<std::byte> stored(ggml_nbytes(w));
  const std::vector<float> importance(kColumns, 1);
  ggml_quantize_chunk(static_cast<ggml_type>(type), weights.data(), stored.data(), 0, kRows, kColumns,
                      importance.data());
  ggml_backend_tensor_set(w, stored.data(), 0, stored.size());
  ggml_backend_tensor_set(x, input.data(), 0, input.size() * sizeof(float));
  ggml_backend_graph_compute(backend, graph);
  std::vector<float> result(kRows * kTokens);
  ggml_backend_tensor_get(y, result.data(), 0, result.size() * sizeof(float));
  for (auto* one : {buffer, packed}) ggml_backend_buffer_free(one);
  for (auto* one : {context, of_weights}) ggml_free(one);
  ggml_backend_free(backend);
  return result;
}

// What a type that ggml stores makes of values.
std::vector<float> round_trip(int type, const std::vector<float>& values) {
  std::vector<std::byte> stored(ggml_row_size(static_cast<ggml_type>(type), kColumns) * values.size() / kColumns);
  ggml_quantize_chunk(static_cast<ggml_type>(type), values.data(), stored.data(), 0,
                      static_cast<std::int64_t>(values.size()) / kColumns, kColumns, nullptr);
  std::vector<float> rounded(values.size());
  decode_values(type, stored, rounded);
  return rounded;
}

// A value between two codes makes no difference to a kernel that rounds to these codes.
void expect_rounded_inputs(int type, ggml_backend_buffer_type* layout) {
  const auto weights = random_values(kColumns * kRows, 1), input = random_values(kColumns * kTokens, 2);
  const auto rounds_to = product_input_type(type, packing_name(layout));
  if (!rounds_to) return;
  const auto times = [&](const std::vector<float>& values) { return product(type, layout, weights, values); };
  const auto as_it_is = times(input);
  switch (*rounds_to) {
    case GGML_TYPE_F32: {
      // A change that no rounding to 16 bits leaves shows.
      auto nudged = input;
      for (auto& value : nudged) value = std::nextafter(value, 2 * value);
      EXPECT_NE(times(nudged), as_it_is);
      break;
    }
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16:
    case GGML_TYPE_Q8_0:
      // (A second rounding to blocks of 8 bits finds the scales that it left.)
      EXPECT_EQ(times(round_trip(*rounds_to, input)), as_it_is);
      break;
    default:
      // Q8_1 and Q8_K cannot be asked for, but with a value that rules its block the others need few bits: a nudge
      // that no code of 8 bits sees changes nothing.
      auto coarse = input, nudged = input;
      for (std::size_t i = 0; i < input.size(); ++i) {
        coarse[i] = i % 32 == 0 ? 127.0f : std::nearbyint(input[i]);
        nudged[i] = i % 32 == 0 ? 127.0f : coarse[i] + 0.25f;
      }
      // Q8_1 carries the sum of the values before they are rounded, by which the minimum is multiplied.
      if (*rounds_to == GGML_TYPE_Q8_K) {
        EXPECT_EQ(times(nudged), times(coarse));
      }
      EXPECT_NE(as_it_is, times(coarse));
  }
}

TEST(ProductInputType, IsWhatTheKernelRoundsTo) {
  start_backends();
  auto layouts = packed_buffer_types();
  layouts.push_back(ggml_backend_cpu_buffer_type());
  for (auto* layout : layouts) {
    int count = 0;
    for (int type = 0; type < GGML_TYPE_COUNT; ++type) {
      if (ggml_get_type_traits(static_cast<ggml_type>(type))->to_float == nullptr) continue;
      if (!packing_name(layout).empty() && !has_kernel(layout, type, {kColumns, kRows, 1, 1})) continue;
      SCOPED_TRACE(std::string(ggml_backend_buft_name(layout)) + " " + type_name(type));
      expect_rounded_inputs(type, layout);
      ++count;
    }
    std::cout << "(" << ggml_backend_buft_name(layout) << ": " << count << " types)\n";
  }
}

}  // namespace
}  // namespace fakequant
