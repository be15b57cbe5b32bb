#include "engine/devices.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llama.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "engine/backend.h"
#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr int kConnectTimeoutMs = 5000;

struct Endpoint {
  std::string host, port;
};

Endpoint parse_endpoint(const std::string& text) {
  const auto colon = text.find(':');
  if (colon != 0 && colon != text.npos) {
    const auto port = number_of_text<int>(std::string_view(text).substr(colon + 1));
    if (port && *port >= 1 && *port <= 65535) return {text.substr(0, colon), std::to_string(*port)};
  }
  throw usage_error(fmt::format("'{}' names no RPC server: write HOST:PORT, as in 10.0.0.2:50052", text));
}

// Connects and hangs up. Returns 0, or the errno that says why it could not.
int try_to_connect(const addrinfo& address) {
  const int fd = socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol);
  if (fd < 0) return errno;
  int fault = connect(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (fault == EINPROGRESS) {
    pollfd wait{fd, POLLOUT, 0};
    socklen_t size = sizeof fault;
    const int ready = poll(&wait, 1, kConnectTimeoutMs);
    if (ready == 0) {
      fault = ETIMEDOUT;
    } else if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size) != 0) {
      fault = errno;
    }
  }
  close(fd);
  return fault;
}

// Whether someone listens there: llama.cpp would wait for as long as the system does.
void check_reachable(const std::string& server) {
  const auto endpoint = parse_endpoint(server);
  addrinfo wanted{};
  wanted.ai_family = AF_INET;  // ggml's client knows no other
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int fault = getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &wanted, &found); fault != 0) {
    throw Error(fmt::format("the RPC server {} cannot be found ({}): check its name", server, gai_strerror(fault)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  int fault = 0;
  for (const auto* address = found; address != nullptr; address = address->ai_next) {
    fault = try_to_connect(*address);
    if (fault == 0) return;
  }
  throw Error(
      fmt::format("the RPC server {} cannot be reached ({}): start ggml-rpc-server there", server, strerror(fault)));
}

std::vector<ggml_backend_dev_t> devices_of(ggml_backend_reg_t registry) {
  std::vector<ggml_backend_dev_t> devices;
  for (std::size_t i = 0; i < ggml_backend_reg_dev_count(registry); ++i) {
    devices.push_back(ggml_backend_reg_dev_get(registry, i));
  }
  return devices;
}

// As llama.cpp's tools do it.
ggml_backend_reg_t add_server(const std::string& server) {
  auto* rpc = ggml_backend_reg_by_name("RPC");
  auto* add = rpc == nullptr ? nullptr
                             : reinterpret_cast<ggml_backend_reg_t (*)(const char*)>(
                                   ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_add_server"));
  if (add == nullptr) throw Error("this llama.cpp has no RPC back end: install it, or use no RPC servers");
  check_reachable(server);
  clear_engine_error();
  auto* registry = add(server.c_str());
  if (registry == nullptr || ggml_backend_reg_dev_count(registry) == 0) {
    const auto said = engine_error();
    throw Error(
        fmt::format("llama.cpp cannot use the RPC server {}: {}", server, said.empty() ? "it has no devices" : said));
  }
  ggml_backend_register(registry);
  return registry;
}

std::vector<ggml_backend_dev_t> devices_of_server(const std::string& server) {
  static std::mutex mutex;
  static std::map<std::string, ggml_backend_reg_t> servers;
  const std::lock_guard lock(mutex);
  auto& registry = servers[server];
  if (registry == nullptr) registry = add_server(server);
  return devices_of(registry);
}

bool is_accelerator(ggml_backend_dev_t device) {
  const auto type = ggml_backend_dev_type(device);
  return type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

std::vector<ggml_backend_dev_t> accelerators() {
  std::vector<ggml_backend_dev_t> devices;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    if (auto* device = ggml_backend_dev_get(i); is_accelerator(device)) devices.push_back(device);
  }
  return devices;
}

ggml_backend_dev_t device_of_name(const std::string& name) {
  auto* device = ggml_backend_dev_by_name(name.c_str());
  if (device != nullptr && is_accelerator(device)) return device;
  std::vector<std::string> names;
  for (auto* known : accelerators()) names.emplace_back(ggml_backend_dev_name(known));
  if (names.empty()) {
    throw usage_error(
        fmt::format("unknown device '{}': there is only the processor here; RPC servers add others", name));
  }
  throw usage_error(fmt::format("unknown device '{}': give {}, or 'none' alone", name, fmt::join(names, ", ")));
}

template <typename Value>
void refuse_twice(const std::vector<Value>& values, const std::vector<std::string>& names, const char* what) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::find(values.begin(), values.end(), values[i]) != values.begin() + static_cast<std::ptrdiff_t>(i)) {
      throw usage_error(fmt::format("the {} {} is named twice: name it once", what, names[i]));
    }
  }
}

std::vector<ggml_backend_dev_t> chosen_devices(const DeviceOptions& options) {
  std::vector<ggml_backend_dev_t> devices;
  for (const auto& server : options.rpc_servers) {
    const auto more = devices_of_server(server);
    devices.insert(devices.end(), more.begin(), more.end());
  }
  if (options.devices == std::vector<std::string>{"none"}) return {};
  if (!options.devices.empty()) {
    devices.clear();
    for (const auto& name : options.devices) devices.push_back(device_of_name(name));
    refuse_twice(devices, options.devices, "device");
    return devices;
  }
  if (options.rpc_servers.empty() && options.gpu_layers.value_or(0) != 0) return accelerators();
  return devices;
}

}  // namespace

bool names_devices(const DeviceOptions& options) {
  if (options.gpu_layers) return *options.gpu_layers != 0;
  return !options.rpc_servers.empty() ||
         (!options.devices.empty() && options.devices != std::vector<std::string>{"none"});
}

bool names_servers(const DeviceOptions& options) { return names_devices(options) && !options.rpc_servers.empty(); }

Offload open_devices(const DeviceOptions& options) {
  for (const auto& server : options.rpc_servers) parse_endpoint(server);
  refuse_twice(options.rpc_servers, options.rpc_servers, "RPC server");
  start_backends();
  Offload offload;
  offload.devices = chosen_devices(options);
  offload.layers = options.gpu_layers.value_or(offload.devices.empty() ? 0 : kAllLayers);
  if (offload.layers == 0) offload.devices.clear();
  if (offload.layers != 0 && offload.devices.empty()) {
    throw usage_error("layers are to be put on a device and there is none: name a device or an RPC server");
  }
  return offload;
}

std::vector<std::string> backend_names(const DeviceOptions& options) {
  const auto offload = open_devices(options);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    auto* device = ggml_backend_dev_get(i);
    const auto chosen = std::find(offload.devices.begin(), offload.devices.end(), device) != offload.devices.end();
    if (is_accelerator(device) && !chosen) continue;
    names.push_back(fmt::format("{} ({})", ggml_backend_dev_name(device), ggml_backend_dev_description(device)));
  }
  return names;
}

}  // namespace fakequant
