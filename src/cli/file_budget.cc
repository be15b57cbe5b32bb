#include "cli/file_budget.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "cli/byte_size.h"
#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

// The two sides of SITE=FORMAT.
std::pair<std::string, std::string> split_site_format(const char* option, const std::string& text,
                                                      const char* way_out) {
  const auto equals = text.find('=');
  if (equals == std::string::npos) throw usage_error(fmt::format("{} {} is invalid: {}", option, text, way_out));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::optional<double> parse_bits_per_weight(const char* option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto bits = number_of_text<double>(text);
  if (bits && *bits > 0 && *bits < 64) return bits;
  throw usage_error(fmt::format("{} {} is invalid: write a number of bits per weight, such as 4.5", option, text));
}

}  // namespace

std::optional<FileBudget> file_budget(const FileBudgetOptions& options, const std::string& model,
                                      const AttentionOptions& attention) {
  if (options.empty()) return std::nullopt;
  const std::pair<const char*, const std::string*> exclusive[] = {{"--size", &options.size},
                                                                  {"--bpw", &options.bits_per_weight},
                                                                  {"--fits-memory", &options.memory},
                                                                  {"--bytes-per-token", &options.bytes_per_token}};
  const char* given = nullptr;
  for (const auto& [name, text] : exclusive) {
    if (text->empty()) continue;
    if (given != nullptr) {
      throw usage_error(fmt::format("{} and {} are budgets of the same file: give one of them", given, name));
    }
    given = name;
  }
  if (!options.bytes_per_token.empty() && !options.active_bits_per_weight.empty()) {
    throw usage_error("--bytes-per-token and --max-active-bpw both limit what a token reads: give one of them");
  }
  FileBudget budget{.model = model};
  if (!options.size.empty()) budget.size = parse_size("--size", options.size);
  if (!options.memory.empty()) budget.memory = parse_size("--fits-memory", options.memory);
  if (!options.bytes_per_token.empty()) {
    budget.bytes_per_token = parse_size("--bytes-per-token", options.bytes_per_token);
  }
  budget.bits_per_weight = parse_bits_per_weight("--bpw", options.bits_per_weight);
  budget.active_bits_per_weight = parse_bits_per_weight("--max-active-bpw", options.active_bits_per_weight);
  budget.attention = attention;
  return budget;
}

std::vector<Couple> parse_couples(const std::vector<std::string>& names) {
  std::vector<Couple> couples;
  about("--couple", [&] {
    for (const auto& name : names) couples.push_back(parse_couple(name));
  });
  return couples;
}

KeptFormat parse_kept_format(const std::string& text) {
  const auto [site, format] = split_site_format(
      "--keep", text, "write SITE=FORMAT, such as w:ffn_down@0=bf16, or SITE=none to leave it as it is");
  KeptFormat kept{parse_site_pattern(site), std::nullopt};
  if (format != "none") kept.format = parse_rule_format(format);
  return kept;
}

KeptFormat parse_least_format(const std::string& text) {
  const auto [site, format] = split_site_format("--at-least", text, "write SITE=FORMAT, such as w:ffn_down@0=q6_k");
  return {parse_site_pattern(site), parse_rule_format(format)};
}

std::optional<double> parse_max_kld(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto value = number_of_text<double>(text);
  if (!value || !(*value >= 0)) {
    throw usage_error(fmt::format("--max-kld {} is invalid: write a divergence in nats, such as 0.01", text));
  }
  return value;
}

}  // namespace fakequant
