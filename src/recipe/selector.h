// The part of a rule that says which sites it means.
//
//   ffn_norm      a word: the weight blk.N.ffn_norm.weight, the graph's node ffn_norm-N
//   Qcur#0        of the nodes of one name the first, in the graph's order; without a number, the last
//   blk.*.ffn_*   a name or, with * and ?, a pattern that whole names are held against
//   in(ffn_up)    the value that feeds the matrix product with a weight, which is selected as weights are
//   ffn_input     a role: the value that feeds a layer's first feed-forward products, in any architecture
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

enum class SiteKind { weight, activation };

struct Selector {
  enum Form { name, input_of, role } form = name;
  std::string text;               // the word, name or pattern; in(...): of the weight
  std::optional<int> occurrence;  // #0, #1 ...

  bool operator==(const Selector&) const = default;
};

// Throws a usage error for what cannot be a selector of this kind.
Selector parse_selector(SiteKind kind, std::string_view text);

// The text that parse_selector reads back to the same selector.
std::string to_string(const Selector& selector);

// What a pattern such as blk.*.ffn_*.weight means: * stands for any number of characters, ? for one.
bool glob_match(std::string_view pattern, std::string_view text);

// Whether a selector's text is held against whole names.
bool is_pattern(std::string_view text);

// The role of the logits, which feed nothing.
inline constexpr std::string_view kLogitsRole = "logits";

// The roles, "ffn_input" the first of them.
const std::vector<std::string>& role_names();

// Whether the value that feeds the product with such a weight ("ffn_up", "ffn_gate_exps") plays the role. The words are
// those that GGUF has for all architectures.
bool plays_role(std::string_view role, std::string_view weight_word);

}  // namespace fakequant
