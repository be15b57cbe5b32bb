// --size, --bpw and their like, and --max-kld: how large a planned file may be, or how much it may lose.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace fakequant {

// The texts of the options.
struct FileBudgetOptions {
  std::string size, bits_per_weight, active_bits_per_weight;
  std::string memory = {};
  std::string bytes_per_token = {};  // of plan alone

  bool empty() const {
    return size.empty() && bits_per_weight.empty() && active_bits_per_weight.empty() && memory.empty() &&
           bytes_per_token.empty();
  }
};

// None where all are empty. Throws a usage error for budgets that exclude each other, and for a text that is invalid.
// `attention` is that of a context that has to fit in memory.
std::optional<FileBudget> file_budget(const FileBudgetOptions& options, const std::string& model,
                                      const AttentionOptions& attention);

// The coupled weights of --couple: "qkv,gate-up". Throws a usage error.
std::vector<Couple> parse_couples(const std::vector<std::string>& names);

// "w:ffn_down@0=bf16", or "w:ffn_down@0=none", of --keep. Throws a usage error that names the option.
KeptFormat parse_kept_format(const std::string& text);

// "w:ffn_down@0=q6_k" of --at-least. Throws a usage error that names the option.
KeptFormat parse_least_format(const std::string& text);

// Of the text of --max-kld; none where it is empty. Throws a usage error for a text that is invalid.
std::optional<double> parse_max_kld(const std::string& text);

}  // namespace fakequant
