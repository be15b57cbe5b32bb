#include "gguf/tensor_type.h"

#include <ggml.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "error.h"

namespace fakequant {
namespace {

TEST(TensorType, HasGgmlsNamesAndSizes) {
  EXPECT_EQ(type_name(GGML_TYPE_F32), "F32");
  EXPECT_EQ(type_name(GGML_TYPE_Q4_K), "Q4_K");
  EXPECT_EQ(block_elements(GGML_TYPE_Q4_K), 256);
  EXPECT_EQ(block_bytes(GGML_TYPE_Q4_K), 144);
  EXPECT_FALSE(is_tensor_type(4));
  EXPECT_FALSE(is_tensor_type(GGML_TYPE_COUNT));
}

TEST(TensorType, DecodesEveryTypeThatAFileMayHave) {
  for (std::uint32_t type = 0; type < GGML_TYPE_COUNT; ++type) {
    if (!is_tensor_type(type)) continue;
    const auto id = static_cast<int>(type);
    const bool has_values = ggml_get_type_traits(static_cast<ggml_type>(type))->to_float != nullptr ||
                            !ggml_is_quantized(static_cast<ggml_type>(type));
    if (!has_values) continue;  // types of intermediate results, which no file stores
    const std::vector<std::byte> zeros(static_cast<std::size_t>(block_bytes(id)));
    std::vector<float> values(static_cast<std::size_t>(block_elements(id)), 5.0f);
    EXPECT_NO_THROW(decode_values(id, zeros, values)) << type_name(id);
  }
}

TEST(TensorType, StoresFloatsToNearestEven) {
  const std::vector<float> values = {1.0f, 1.0f + 0x1p-11f, 1.0f + 0x3p-11f, -65504.0f, 0x1p-25f};
  std::vector<float> stored(values.size());
  const auto bytes = encode_values(GGML_TYPE_F16, values, 1);
  decode_values(GGML_TYPE_F16, bytes, stored);
  EXPECT_EQ(stored, (std::vector<float>{1.0f, 1.0f, 1.0f + 0x4p-11f, -65504.0f, 0.0f}));
}

TEST(TensorType, ReadsAndStoresEveryHalfAsGgmlDoes) {
  std::vector<std::uint16_t> codes(65536);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  std::vector<float> values(codes.size());
  const auto widened_by_ggml = [](int type, std::uint16_t code) {
    return type == GGML_TYPE_F16 ? ggml_fp16_to_fp32(code) : ggml_bf16_to_fp32({code});
  };
  const auto narrowed_by_ggml = [](int type, float value) {
    return type == GGML_TYPE_F16 ? ggml_fp32_to_fp16(value) : ggml_fp32_to_bf16(value).bits;
  };
  for (const int type : {GGML_TYPE_F16, GGML_TYPE_BF16}) {
    decode_values(type, std::as_bytes(std::span(codes)), values);
    std::vector<float> between;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const float expected = widened_by_ggml(type, codes[i]);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(values[i]));
        continue;
      }
      ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(expected)) << codes[i];
      between.insert(between.end(), {expected, expected * 1.0001f, expected * 1.00048828125f, expected * 1.003f});
    }
    const auto bytes = encode_values(type, between, 1);
    for (std::size_t i = 0; i < between.size(); ++i) {
      std::uint16_t code = 0;
      std::memcpy(&code, bytes.data() + 2 * i, sizeof(code));
      ASSERT_EQ(code, narrowed_by_ggml(type, between[i])) << between[i];
    }
  }
}

TEST(TensorType, StoresQuantizedTypesAsGgmlDoes) {
  EXPECT_TRUE(can_quantize_again(GGML_TYPE_Q4_K));
  EXPECT_FALSE(can_quantize_again(GGML_TYPE_IQ2_XXS));  // needs an importance matrix
  EXPECT_FALSE(can_quantize_again(GGML_TYPE_F16));
  EXPECT_FALSE(can_quantize_again(GGML_TYPE_Q8_K));  // for intermediate results only
  std::vector<float> values(64);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.25f * static_cast<float>(i) - 7;
  Buffer<std::byte> expected(68);
  ggml_quantize_chunk(GGML_TYPE_Q8_0, values.data(), expected.data(), 0, 2, 32, nullptr);
  EXPECT_EQ(encode_values(GGML_TYPE_Q8_0, values, 32), expected);
  values[40] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(encode_values(GGML_TYPE_Q8_0, values, 32), Error);
}

TEST(TensorType, WidensIntegers) {
  const std::vector<std::int16_t> numbers = {-32768, 0, 77};
  std::vector<float> values(3);
  decode_values(GGML_TYPE_I16, std::as_bytes(std::span(numbers)), values);
  EXPECT_EQ(values, (std::vector<float>{-32768, 0, 77}));
}

}  // namespace
}  // namespace fakequant
