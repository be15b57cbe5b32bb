#include "gguf/tensor_type.h"

#include <fmt/format.h>
#include <ggml.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "error.h"
#include "format/ggml_types.h"

namespace fakequant {
namespace {

const ggml_type_traits& traits(int type) { return *ggml_get_type_traits(static_cast<ggml_type>(type)); }

// Null if ggml does not quantize to the type.
const BlockType* find_quantizer(int type) {
  const auto& types = ggml_types();
  const auto found = std::find_if(types.begin(), types.end(), [&](const auto& known) { return known.id == type; });
  return found == types.end() ? nullptr : &*found;
}

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
  // Types that ggml has removed keep their numbers, with a size of 0.
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

std::optional<Half> half_of_type(int type) {
  if (type == GGML_TYPE_F16) return Half::f16;
  if (type == GGML_TYPE_BF16) return Half::bf16;
  return std::nullopt;
}

bool is_quantized(int type) { return ggml_is_quantized(static_cast<ggml_type>(type)); }

bool can_quantize_again(int type) {
  const auto* known = find_quantizer(type);
  return is_quantized(type) && known != nullptr && !known->needs_importance;
}

int plain_float_type(const std::string& name) {
  for (const int type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16}) {
    if (name == traits(type).type_name) return type;
  }
  throw usage_error(fmt::format("'{}' is not a float type: take f32, f16 or bf16", name));
}

std::optional<int> find_tensor_type(std::string_view name) {
  const auto is_same = [](unsigned char a, unsigned char b) { return std::toupper(a) == std::toupper(b); };
  for (int type = 0; type < GGML_TYPE_COUNT; ++type) {
    if (!is_tensor_type(static_cast<std::uint32_t>(type))) continue;
    const std::string_view known = traits(type).type_name;
    if (std::equal(known.begin(), known.end(), name.begin(), name.end(), is_same)) return type;
  }
  return std::nullopt;
}

void decode_values(int type, std::span<const std::byte> bytes, std::span<float> values) {
  switch (type) {
    case GGML_TYPE_F32:
      std::memcpy(values.data(), bytes.data(), values.size_bytes());
      return;
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16:
      return widen(*half_of_type(type), reinterpret_cast<const std::uint16_t*>(bytes.data()), values);
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

Buffer<std::byte> encode_values(int type, std::span<const float> values, std::int64_t row) {
  if (!is_plain_float(type)) return ggml_quantize(*find_quantizer(type), values, row);
  Buffer<std::byte> bytes(values.size() * static_cast<std::size_t>(block_bytes(type)));
  encode_plain_floats(type, values, bytes);
  return bytes;
}

void encode_plain_floats(int type, std::span<const float> values, std::span<std::byte> bytes) {
  if (type == GGML_TYPE_F32) {
    std::memcpy(bytes.data(), values.data(), values.size_bytes());
  } else {
    narrow(*half_of_type(type), values, reinterpret_cast<std::uint16_t*>(bytes.data()));
  }
}

}  // namespace fakequant
