#include "engine/environment.h"

#include <fmt/format.h>
#include <omp.h>
#include <sys/utsname.h>

#include <fstream>

#include "engine/backend.h"
#include "version.h"

namespace fakequant {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string system_name() {
  struct utsname name {};
  return uname(&name) == 0 ? fmt::format("{} {} {}", name.sysname, name.release, name.machine) : "unknown";
}

}  // namespace

Environment describe_environment(int threads, const DeviceOptions& devices) {
  return {cpu_name(), omp_get_num_procs(), threads,          system_name(),
          version(),  "g++ " __VERSION__,  engine_version(), backend_names(devices)};
}

}  // namespace fakequant
