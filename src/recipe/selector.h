// The part of a site pattern that names the sites.
//
//   ffn_norm      a word: the weight blk.N.ffn_norm.weight, the graph's node ffn_norm-N
//   Qcur#0        the first of the nodes of one name, in graph order; without a number, the last
//   blk.*.ffn_*   a whole name, or a glob with * and ? that is matched against whole names
//   in(ffn_up)    the input of the matrix product with a weight, which is selected as weights are
//   out(ffn_up)   the result of that product
//   in(ffn_up)#0  the first of the products with one weight, in graph order; without a number, all
//   ffn_input     a role: the input of a layer's first feed-forward products, in any architecture
//   k_cache       a role inside attention: what is written into the cache of keys
//   state         the role of what a recurrent layer writes into its state
//   matrices      a class of weights: matrices, norms, embedding or output; also in in(matrices), out(matrices)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

enum class SiteKind { weight, activation };

struct Selector {
  enum Form { name, input_of, output_of, role } form = name;
  std::string text;               // the word, name or glob; for in(...) and out(...), that of the weight
  std::optional<int> occurrence;  // #0, #1 ...

  bool operator==(const Selector&) const = default;
};

// Throws a usage error for a text that is no selector of this kind.
Selector parse_selector(SiteKind kind, std::string_view text);

// The text that parse_selector reads back to the same selector.
std::string to_string(const Selector& selector);

// Whether a glob such as blk.*.ffn_*.weight matches the whole text: * matches any number of characters, ? one.
bool glob_match(std::string_view glob, std::string_view text);

// Whether a selector's text is matched against whole names: it has a '.', '*' or '?'.
bool is_matched_whole(std::string_view text);

// The role of the logits, which feed no product.
inline constexpr std::string_view kLogitsRole = "logits";

// The role of the state that a recurrent layer leaves for the next tokens.
inline constexpr std::string_view kStateRole = "state";

// Roles inside attention: what is written into the cache of keys and into that of values; the queries as the product
// with the keys reads them; that product's result as the softmax reads it, what the softmax gives, and the mean of the
// values.
inline constexpr std::string_view kKeyCacheRole = "k_cache", kValueCacheRole = "v_cache", kQueriesRole = "q",
                                  kAttentionScoresRole = "attn_scores", kAttentionProbabilitiesRole = "attn_probs",
                                  kAttentionResultRole = "attn_result";

// Whether a role follows from the graph, and not from the weights whose products read a value.
bool is_role_in_graph(std::string_view role);

// All roles, "ffn_input" first.
const std::vector<std::string>& role_names();

// Whether the input of the product with such a weight ("ffn_up", "ffn_gate_exps") plays the role. The words are GGUF's
// for all architectures.
bool plays_role(std::string_view role, std::string_view weight_word);

}  // namespace fakequant
