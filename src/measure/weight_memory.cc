#include "measure/weight_memory.h"

#include <fstream>
#include <string>

namespace fakequant {
namespace {

// Bytes that programs can still take; unlimited where the system does not say (Linux does).
std::int64_t free_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (std::int64_t kib = 0; file >> name >> kib;) {
    if (name == "MemAvailable:") return kib * 1024;
    std::getline(file, unit);
  }
  return WeightMemory::kUnlimited;
}

}  // namespace

WeightMemory weight_memory_for(const ComputeOptions& compute) {
  if (compute.weight_memory) return {*compute.weight_memory};
  if (compute.arithmetic == Arithmetic::f32) return {0};
  const auto all = free_memory();
  return {all == WeightMemory::kUnlimited ? all : all / 4};
}

}  // namespace fakequant
