// On what the figures were measured.
#pragma once

#include <string>
#include <vector>

#include "engine/devices.h"

namespace fakequant {

struct Environment {
  std::string cpu;
  int cores = 0;    // that this process may use
  int threads = 0;  // that it did use
  std::string system;
  std::string version;  // of fakequant
  std::string compiler;
  std::string engine;  // versions of llama and ggml
  std::vector<std::string> backends;
};

Environment describe_environment(int threads, const DeviceOptions& devices = {});

}  // namespace fakequant
