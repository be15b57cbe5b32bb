// How a model is computed.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fakequant {

// How products are computed (docs/arithmetic.md).
enum class Arithmetic {
  native,  // by llama.cpp's kernels, which round the inputs of a product to the type that goes with the weights'
  f32,     // in float32, from the exact values of weights, inputs and cache: nothing is rounded that no rule names
};

// Whether one fused kernel of llama.cpp computes attention.
enum class FlashAttention {
  automatic,  // where the cache needs it; in native arithmetic where llama.cpp takes it
  on,
  off,
};

// How attention is held and computed, by the baseline and every variant whose recipe names nothing else.
struct AttentionOptions {
  std::string k = {}, v = {};  // llama.cpp's names of the types of the cache; empty: the arithmetic's own
  FlashAttention flash = FlashAttention::automatic;

  bool operator==(const AttentionOptions&) const = default;
};

// DeviceOptions::gpu_layers for all layers.
inline constexpr int kAllLayers = -1;

// Where layers are computed, as in llama.cpp's tools. By default everything is on the processor.
struct DeviceOptions {
  std::vector<std::string> rpc_servers = {};  // "HOST:PORT" each
  std::vector<std::string> devices = {};      // ggml's names; empty: those of the RPC servers; "none" alone: no device
  // Layers that the devices hold, counted from the last; by default all where there are devices. Where neither servers
  // nor devices are named, more than 0 means every accelerator of this machine.
  std::optional<int> gpu_layers = {};
  // In native arithmetic: whether weights may be packed anew for kernels of this processor, which may sum and round
  // otherwise, as AMX does.
  bool repack = true;
};

}  // namespace fakequant
