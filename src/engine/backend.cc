#include "engine/backend.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <llama.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "error.h"

namespace fakequant {
namespace {

// llama.cpp logs on the thread that called it, and several may do so at once.
thread_local std::string first_error;

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, text.find_last_not_of(" \n\r\t") + 1)) line += c == '\n' || c == '\r' ? ' ' : c;
  return line;
}

void keep_error(ggml_log_level level, const char* text, void*) {
  if (level != GGML_LOG_LEVEL_ERROR) return;
  // The first one says what is wrong; the ones after it, what failed in consequence.
  if (first_error.empty()) first_error = one_line(text);
}

void keep_log(ggml_log_level level, const char* text, void* log) {
  keep_error(level, text, nullptr);
  static std::mutex log_mutex;
  const std::lock_guard lock(log_mutex);
  *static_cast<std::string*>(log) += text;
}

AbortHandler abort_handler;

void report_abort(const char* message) {
  const auto said = one_line(message);
  const auto* ask = said.find("RPC") == said.npos ? "is the model damaged, or a rule too wide?"
                                                  : "is an RPC server gone, or out of memory?";
  abort_handler(fmt::format("llama.cpp stopped with '{}': {}", said, ask));
}

// The folder of ggml's back ends; empty where ggml finds them itself. Tests name one with a single level of
// instructions. Those that were fetched, or installed with the program, are in a folder beside the library of ggml.
std::string backend_folder() {
  if (const char* chosen = std::getenv("FAKEQUANT_BACKENDS")) return chosen;
  const std::filesystem::path beside_ggml = FAKEQUANT_BACKENDS_BESIDE_GGML;
  Dl_info ggml{};
  if (beside_ggml.empty() || dladdr(reinterpret_cast<const void*>(&ggml_backend_load_all), &ggml) == 0) return {};
  return (std::filesystem::path(ggml.dli_fname).parent_path() / beside_ggml).string();
}

void load_backends() {
  llama_log_set(keep_error, nullptr);
  // ggml loads the best back end of each kind that a folder holds.
  const auto folder = backend_folder();
  if (folder.empty()) {
    ggml_backend_load_all();
  } else {
    ggml_backend_load_all_from_path(folder.c_str());
  }
  for (std::size_t i = ggml_backend_reg_count(); i-- > 0;) {
    auto* registry = ggml_backend_reg_get(i);
    if (std::string_view(ggml_backend_reg_name(registry)) == "BLAS") ggml_backend_unload(registry);
  }
  if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
    throw Error(fmt::format("llama.cpp found no back end for this CPU{}: install llama.cpp's back ends, or build again",
                            folder.empty() ? "" : fmt::format(" in {}", folder)));
  }
  llama_backend_init();
}

}  // namespace

void start_backends() {
  static std::once_flag once;
  std::call_once(once, load_backends);
}

void set_engine_abort_handler(AbortHandler handler) {
  abort_handler = std::move(handler);
  ggml_set_abort_callback(abort_handler ? report_abort : nullptr);
}

std::string engine_version() { return fmt::format("llama {}, ggml {}", llama_version(), ggml_version()); }

std::string engine_error() { return first_error; }

void clear_engine_error() { first_error.clear(); }

std::string engine_log_of(const std::function<void()>& work) {
  std::string log;
  llama_log_set(keep_log, &log);
  work();
  llama_log_set(keep_error, nullptr);
  return log;
}

}  // namespace fakequant
