#include "engine/model_outline.h"

#include <llama.h>

#include <charconv>
#include <cmath>

#include "engine/backend.h"
#include "engine/context_parameters.h"
#include "engine/load_parts.h"

namespace fakequant {
namespace {

constexpr std::string_view kUnit = " MiB";

// The number of MiB that follows `before` in a line, in bytes.
std::optional<std::uint64_t> mebibytes_after(std::string_view line, std::string_view before) {
  const auto at = line.find(before);
  if (at == line.npos) return std::nullopt;
  line.remove_prefix(at + before.size());
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  double number = 0;
  const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (failure != std::errc() || !std::string_view(end, line.data() + line.size()).starts_with(kUnit)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(std::llround(number * 1024 * 1024));
}

// Reads the lines
//   llama_kv_cache: size = 1440.00 MiB ( 32768 cells,  30 layers,  1/1 seqs), K (f32):  720.00 MiB, V (f32):  720.00
//   MiB llama_memory_recurrent: size =    0.09 MiB (     1 cells,   2 layers,  1 seqs), R (f32): ... sched_reserve: CPU
//   compute buffer size =   647.51 MiB
class MemoryLines {
 public:
  void read(std::string_view line) {
    if (const auto size = mebibytes_after(line, " compute buffer size =")) {
      memory_.compute += *size;
      has_compute_ = true;
    }
    memory_.outputs += mebibytes_after(line, " output buffer size =").value_or(0);
    if (const auto size = mebibytes_after(line, ": size =")) {
      memory_.cache += *size;
      has_cache_ = true;
      memory_.keys += mebibytes_after(part_from(line, ", K ("), "):").value_or(0);
      memory_.values += mebibytes_after(part_from(line, ", V ("), "):").value_or(0);
    }
  }

  std::optional<ContextMemory> memory() const {
    return has_compute_ && has_cache_ ? std::optional(memory_) : std::nullopt;
  }

 private:
  static std::string_view part_from(std::string_view line, std::string_view word) {
    const auto at = line.find(word);
    return at == line.npos ? std::string_view() : line.substr(at);
  }

  ContextMemory memory_;
  bool has_compute_ = false, has_cache_ = false;
};

}  // namespace

std::optional<ContextMemory> memory_in_log(std::string_view log) {
  MemoryLines lines;
  while (!log.empty()) {
    const auto end = std::min(log.find('\n'), log.size());
    lines.read(log.substr(0, end));
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  return lines.memory();
}

void ModelOutline::Free::operator()(llama_model* model) const { llama_model_free(model); }

ModelOutline::ModelOutline(const std::vector<std::string>& parts) {
  start_backends();
  ggml_backend_dev_t no_devices[] = {nullptr};
  auto parameters = llama_model_default_params();
  parameters.devices = no_devices;
  parameters.n_gpu_layers = 0;
  parameters.use_extra_bufts = false;
  parameters.load_mode = LLAMA_LOAD_MODE_NONE;
  parameters.no_alloc = true;
  model_.reset(load_parts(parts, parameters));
  clear_engine_error();
}

std::optional<ContextMemory> ModelOutline::memory_of(const ContextOptions& options, int places) const {
  if (!model_) return std::nullopt;
  llama_context* context = nullptr;
  const auto log =
      engine_log_of([&] { context = llama_init_from_model(model_.get(), context_parameters(options, places, false)); });
  clear_engine_error();
  if (context == nullptr) return std::nullopt;
  llama_free(context);
  return memory_in_log(log);
}

int ModelOutline::heads() const { return model_ ? llama_model_n_head(model_.get()) : 0; }

}  // namespace fakequant
