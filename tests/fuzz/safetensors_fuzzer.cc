// libFuzzer's target for the safetensors reader: any bytes are a file, of which every tensor is read, or which is
// refused with an Error.
#include <cstdint>

#include "error.h"
#include "gguf/memory_file.h"
#include "weights/safetensors.h"

namespace {

using namespace fakequant;

void read_all(const std::string& path) {
  const SafetensorsModel model(path);
  for (const auto& [name, tensor] : model.tensors()) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.elements) * tensor.element_bytes);
    std::vector<float> values(static_cast<std::size_t>(tensor.elements));
    model.read(tensor, 0, bytes);
    decode_safetensors(tensor.type, bytes, values);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file("fuzz");
  write_exactly(file.fd(), 0, std::as_bytes(std::span(data, size)), "fuzz");
  try {
    read_all(file.path());
  } catch (const Error&) {
  }
  return 0;
}
