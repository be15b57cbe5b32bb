#include "report/tensor_types.h"

#include <fmt/format.h>

#include "error.h"

namespace fakequant {
namespace {

std::string type_of(const PlanAssignment& assignment) {
  const auto format = parse_format(assignment.format);
  if (format.block_type != nullptr && format.block_type->library == "ggml") return format.block_type->name;
  if (assignment.format == "bf16" || assignment.format == "f16") return assignment.format;
  throw usage_error(fmt::format("{} is not a type that llama-quantize knows: plan {} with ggml's types, such as q4_k",
                                assignment.format, assignment.site));
}

std::string pattern_of(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (std::string_view(R"(\^$.|?*+()[]{})").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return "^" + pattern + "$";
}

}  // namespace

std::string tensor_types(const PlanResult& plan) {
  std::string text;
  for (const auto& assignment : plan.assignments) {
    if (assignment.kind != PlanKind::weights || assignment.format.empty()) continue;
    const auto type = type_of(assignment);
    for (const auto& name : assignment.names) text += fmt::format("{}={}\n", pattern_of(name), type);
  }
  if (text.empty())
    throw usage_error("the plan gives no weight a format: there is nothing to write for llama-quantize");
  return text;
}

}  // namespace fakequant
