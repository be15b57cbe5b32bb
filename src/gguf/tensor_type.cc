#include "gguf/tensor_type.h"

#include <fmt/format.h>
#include <ggml.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "error.h"

namespace fakequant {
namespace {

const ggml_type_traits& traits(int type) { return *ggml_get_type_traits(static_cast<ggml_type>(type)); }

template <typename T>
void convert(std::span<const std::byte> bytes, std::span<float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<float>(value);
  }
}

}  // namespace

bool is_tensor_type(std::uint32_t type) {
  // Types that ggml has dropped keep their number, with a size of 0.
  return type < GGML_TYPE_COUNT && traits(static_cast<int>(type)).type_size > 0 &&
         traits(static_cast<int>(type)).blck_size > 0;
}

std::string type_name(int type) {
  std::string name = traits(type).type_name;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  return name;
}

std::int64_t block_elements(int type) { return traits(type).blck_size; }

std::int64_t block_bytes(int type) { return static_cast<std::int64_t>(traits(type).type_size); }

bool is_float32(int type) { return type == GGML_TYPE_F32; }

bool is_plain_float(int type) { return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16; }

void decode_values(int type, std::span<const std::byte> bytes, std::span<float> values) {
  switch (type) {
    case GGML_TYPE_F32:
      std::memcpy(values.data(), bytes.data(), values.size_bytes());
      return;
    case GGML_TYPE_F64:
      return convert<double>(bytes, values);
    case GGML_TYPE_I8:
      return convert<std::int8_t>(bytes, values);
    case GGML_TYPE_I16:
      return convert<std::int16_t>(bytes, values);
    case GGML_TYPE_I32:
      return convert<std::int32_t>(bytes, values);
    case GGML_TYPE_I64:
      return convert<std::int64_t>(bytes, values);
    default:
      break;
  }
  const auto to_float = traits(type).to_float;
  if (to_float == nullptr) throw Error(fmt::format("ggml cannot read values of type {}", type_name(type)));
  to_float(bytes.data(), values.data(), static_cast<std::int64_t>(values.size()));
}

void encode_values(int type, std::span<const float> values, std::span<std::byte> bytes) {
  const auto count = static_cast<std::int64_t>(values.size());
  switch (type) {
    case GGML_TYPE_F32:
      std::memcpy(bytes.data(), values.data(), values.size_bytes());
      return;
    case GGML_TYPE_F16:
      ggml_fp32_to_fp16_row(values.data(), reinterpret_cast<ggml_fp16_t*>(bytes.data()), count);
      return;
    case GGML_TYPE_BF16:
      ggml_fp32_to_bf16_row_ref(values.data(), reinterpret_cast<ggml_bf16_t*>(bytes.data()), count);
      return;
    default:
      throw Error(fmt::format("values cannot be stored one by one as {}", type_name(type)));
  }
}

}  // namespace fakequant
