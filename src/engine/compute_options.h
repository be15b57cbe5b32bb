// How models are computed: the part of every measurement's options that does not depend on what is measured.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/arithmetic.h"
#include "engine/attention_options.h"
#include "engine/devices.h"

namespace fakequant {

struct ComputeOptions {
  int threads = 1;
  int batch_size = 0;  // max. tokens evaluated together; 0: min(512, context size). Only eval and sweep offer a choice
  DeviceOptions devices;
  Arithmetic arithmetic = Arithmetic::native;
  AttentionOptions attention;
  // Bytes that rounded weights may take in memory; the others are rounded whenever they are read. None: what suits the
  // arithmetic (measure/weight_memory.h).
  std::optional<std::int64_t> weight_memory = {};
};

// The arithmetic where none is asked for: `otherwise`, or native for what only that computes: layers on devices,
// quantized values in the cache. Throws a usage error for a type of the cache that is unknown.
Arithmetic suitable_arithmetic(const ComputeOptions& compute, Arithmetic otherwise);

}  // namespace fakequant
