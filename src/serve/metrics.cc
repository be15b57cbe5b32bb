#include "serve/metrics.h"

#include <fmt/format.h>

#include <functional>

namespace fakequant {
namespace {

// As the format wants a label's value.
std::string escaped(const std::string& label) {
  std::string text;
  for (const char c : label) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text;
}

std::string heading(const std::string& name, const std::string& type, const std::string& help) {
  return fmt::format("# HELP fakequant_{} {}\n# TYPE fakequant_{} {}\n", name, help, name, type);
}

}  // namespace

void Metrics::add_response(int status) {
  const std::lock_guard lock(mutex_);
  ++responses_[status];
}

void Metrics::add_work(const std::string& model, const Work& work) {
  const std::lock_guard lock(mutex_);
  auto& totals = models_[model];
  ++totals.prompts;
  totals.prompt_tokens += work.prompt_tokens;
  totals.reused_tokens += work.reused_tokens;
  totals.generated_tokens += work.generated_tokens;
  totals.seconds += work.seconds;
}

std::string Metrics::text(std::size_t requests_in_queue) const {
  const std::lock_guard lock(mutex_);
  auto text = heading("requests_in_queue", "gauge", "Requests that wait or are being computed.");
  text += fmt::format("fakequant_requests_in_queue {}\n", requests_in_queue);
  text += heading("responses_total", "counter", "Responses by HTTP status.");
  for (const auto& [status, count] : responses_) {
    text += fmt::format("fakequant_responses_total{{status=\"{}\"}} {}\n", status, count);
  }
  const auto add = [&](const std::string& name, const std::string& help, const auto& value) {
    text += heading(name, "counter", help);
    for (const auto& [model, totals] : models_) {
      text += fmt::format("fakequant_{}{{model=\"{}\"}} {}\n", name, escaped(model), std::invoke(value, totals));
    }
  };
  add("prompts_total", "Prompts that were read.", &Totals::prompts);
  add("prompt_tokens_total", "Tokens of prompts.", &Totals::prompt_tokens);
  add("reused_tokens_total", "Tokens of prompts that were not computed again.", &Totals::reused_tokens);
  add("generated_tokens_total", "Tokens that were generated.", &Totals::generated_tokens);
  add("compute_seconds_total", "Seconds that the model was computed.", &Totals::seconds);
  return text;
}

}  // namespace fakequant
