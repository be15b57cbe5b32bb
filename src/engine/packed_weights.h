// Layouts of weights that ggml packs anew for its kernels.
//
// On some processors ggml's CPU back end offers further types of buffer beside the plain one, such as AMX and
// CPU_REPACK. llama.cpp loads a weight into the first that has a kernel for its type and shape. A kernel of a packed
// layout sums in another order than the plain one, and may round its inputs otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

struct ggml_backend_buffer_type;
struct ggml_tensor;

namespace fakequant {

// The types of buffer with packed layouts that this processor's back end has, in the order in which llama.cpp tries
// them.
const std::vector<ggml_backend_buffer_type*>& packed_buffer_types();

// Whether the processor multiplies by a weight of this type of ggml and shape that lies in such a buffer.
bool has_kernel(ggml_backend_buffer_type* packed, int type, const std::array<std::int64_t, 4>& shape);

// The name of the packed layout of a buffer's type: "AMX"; empty where values lie as in the file, and for devices.
std::string packing_name(ggml_backend_buffer_type* type);

// Whether a tensor in such a buffer lies in the host's memory as it does in the file, so that its rows can be written
// there: everywhere but on devices and in packed layouts. AMX's packs blocks of integers, and leaves floats as they
// are.
bool lies_as_in_file(ggml_backend_buffer_type* type, int tensor_type);

// The type of buffer in which a weight of the loaded model lies when its values are stored in another type of ggml, as
// llama.cpp would choose it: a packed one only where it may be packed; its own on a device.
ggml_backend_buffer_type* buffer_type_for(const ggml_tensor& weight, int type, bool may_be_packed);

}  // namespace fakequant
