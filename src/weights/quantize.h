// Writes a model whose weights are stored in real types: those of ggml that the rules name.
//
// Where `apply` rounds a value to a format and stores it as the float that it was, this stores ggml's blocks. ggml's
// own quantizers write them, from the same values and importances, so the values that ggml reads back from the file
// are bit for bit those that `apply` writes for the same rules, and those that a variant is measured with.
//
// A format that is no type of ggml's has no blocks to store. It is refused, or on request rounded and kept wide, as
// `apply` does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_model.h"
#include "progress.h"
#include "recipe/rule.h"

namespace fakequant {

// The type that a tensor is to get.
struct WantedType {
  int type = 0;            // a ggml type
  std::string instead_of;  // "q4_k": what its rows are too short for; empty where the type is as it was meant
};

struct QuantizeSettings {
  std::map<std::string, WantedType> types;  // by tensor; a rule that selects the tensor wins
  std::string mix;                          // the name of what gave `types`, "q4_k_m"; empty for none
  std::string importance_file;    // the importance matrix of all block types, but of rules that name their own
  bool allow_fake = false;        // round to formats that are no types, and keep them in the tensor's own float type
  bool allow_requantize = false;  // take tensors that are quantized already
  // general.file_type, by llama.cpp's numbers; without it that of the type of most values.
  std::optional<std::uint32_t> file_type;
  bool provenance = true;  // write the keys fakequant.recipe, fakequant.version and fakequant.source
};

struct QuantizedTensor {
  std::string name;
  std::string type;       // in the model
  std::string stored_as;  // in the output
  std::string format;     // that was asked for: "q4_k,imatrix=im.gguf"; empty if the tensor is copied
  std::int64_t elements = 0;
  std::uint64_t bytes = 0;        // in the output, without padding
  bool is_fallback = false;       // its rows are no multiple of the block that was asked for: another type took it
  bool is_fake = false;           // rounded and kept wide
  bool lacks_importance = false;  // the importance matrix does not have it
};

struct QuantizeResult {
  std::string model;
  std::vector<std::string> outputs;  // a file for each part of the model
  std::string recipe;                // its rules in one line
  std::string mix;
  std::string importance_file;
  std::uint32_t file_type = 0;                    // general.file_type of the output
  std::vector<QuantizedTensor> tensors;           // all, in the model's order
  std::uint64_t model_size = 0, output_size = 0;  // bytes of all parts

  std::int64_t elements() const;
  double bits_per_weight() const;  // of the tensors' data
};

// Writes the model to `output`, or, for a split model, to as many parts; after a failure there is no output. Throws a
// usage error if a rule matches nothing, a format is no type and `allow_fake` is not set, a type cannot be had without
// an importance matrix, or llama.cpp computes with no such type there; an Error if a file cannot be read or written, or
// a value is NaN, infinite or too large for its type.
QuantizeResult quantize_to_files(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings,
                                 const std::string& output, int threads, const Progress& progress = {});

// The same result, with the exact size, without quantizing or writing anything.
QuantizeResult foretell_quantize(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings,
                                 const std::string& output);

// Gives quantize_in_memory() the memory for the data of a tensor that it stores in a ggml type, stored_bytes() of it;
// none for one that is not wanted.
using TensorRoom = std::function<std::span<std::byte>(const QuantizedTensor& tensor, int type)>;

// The data of the tensors that quantize_to_files() would store in other types, without a file. Throws likewise.
void quantize_in_memory(const GgufModel& model, const Recipe& recipe, const QuantizeSettings& settings,
                        const TensorRoom& room, int threads);

// The bytes that a tensor's data takes in a model that quantize_to_files() writes, with the padding after it: as it
// is, and where a rule of this format selects it. No value for a format that is no type, or that the tensor cannot be
// stored in.
std::uint64_t padded_bytes(const GgufModel& model, const TensorInfo& tensor);
std::optional<std::uint64_t> padded_bytes(const GgufModel& model, const TensorInfo& tensor, const Format& format);

}  // namespace fakequant
