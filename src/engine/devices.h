// Where a model's layers lie and are computed: on this machine's processor, or on other devices, among them those of
// RPC servers on other machines.
//
// llama.cpp writes to the sockets of servers that may be gone. A program that names RPC servers should ignore SIGPIPE,
// so that llama.cpp finds the error; otherwise the signal ends the program.
#pragma once

#include <fakequant/compute.hpp>
#include <string>
#include <vector>

struct ggml_backend_device;

namespace fakequant {

// Whether the options put layers on devices.
bool names_devices(const DeviceOptions& options);

// Whether RPC servers hold layers of the model.
bool names_servers(const DeviceOptions& options);

// What llama.cpp is asked for.
struct Offload {
  std::vector<ggml_backend_device*> devices;  // that hold layers; none: the processor holds them all
  int layers = 0;                             // kAllLayers: all
};

// Connects to the servers, each once for the process, and finds the devices. Throws a usage error when a server is not
// HOST:PORT, a device is unknown, or there is none to put the layers on; an Error when a server cannot be reached.
Offload open_devices(const DeviceOptions& options);

// The devices that compute under these options, such as "CPU (AMD EPYC)" and "RPC0 (10.0.0.2:50052)". Throws as
// open_devices does.
std::vector<std::string> backend_names(const DeviceOptions& options = {});

}  // namespace fakequant
