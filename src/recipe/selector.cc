#include "recipe/selector.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr std::string_view kInputOf = "in(", kOutputOf = "out(";

struct Role {
  std::string_view name;
  std::vector<std::string_view> globs;  // of the words of weights
  std::string_view exception;           // a glob of words that the others match and that do not play the role
};

const std::vector<Role>& roles() {
  static const std::vector<Role> all = {
      // Routed and shared experts too, but not the router, which may read another value.
      {"ffn_input", {"ffn_up*", "ffn_gate*"}, "ffn_gate_inp*"},
      {"attn_input", {"attn_q", "attn_k", "attn_v", "attn_qkv", "attn_kv", "attn_q_a", "attn_kv_a_mqa"}, ""},
      {"attn_output_input", {"attn_output", "attn_output_a"}, ""},
      {"ffn_down_input", {"ffn_down*"}, ""},
      {kKeyCacheRole, {}, ""},
      {kValueCacheRole, {}, ""},
      {kStateRole, {}, ""},
      {kQueriesRole, {}, ""},
      {kAttentionScoresRole, {}, ""},
      {kAttentionProbabilitiesRole, {}, ""},
      {kAttentionResultRole, {}, ""},
      {kLogitsRole, {}, ""}};
  return all;
}

[[noreturn]] void refuse_selector(std::string_view text, std::string_view why) {
  throw usage_error(fmt::format("'{}' {}: write a name, a glob with *, NAME#0, in(WEIGHT) or out(WEIGHT)", text, why));
}

}  // namespace

const std::vector<std::string>& role_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& role : roles()) all.emplace_back(role.name);
    return all;
  }();
  return names;
}

bool plays_role(std::string_view role, std::string_view weight_word) {
  const auto found = std::find_if(roles().begin(), roles().end(), [&](const Role& r) { return r.name == role; });
  if (found == roles().end() || glob_match(found->exception, weight_word)) return false;
  return std::any_of(found->globs.begin(), found->globs.end(),
                     [&](std::string_view glob) { return glob_match(glob, weight_word); });
}

bool is_role_in_graph(std::string_view role) {
  const auto found = std::find_if(roles().begin(), roles().end(), [&](const Role& r) { return r.name == role; });
  return found != roles().end() && found->globs.empty();
}

Selector parse_selector(SiteKind kind, std::string_view text) {
  if (text.empty()) refuse_selector(text, "names no site");
  if (text.find_first_of("@=") != std::string_view::npos) {
    throw usage_error(fmt::format("'{}' is more than a selector: give layers, tokens and the format separately", text));
  }
  if (kind == SiteKind::weight) {
    for (const auto form : {kInputOf, kOutputOf}) {
      if (!text.starts_with(form)) continue;
      throw usage_error(fmt::format("'{}' is an activation, the {} of a weight's product: write a:{}", text,
                                    form == kInputOf ? "input" : "result", text));
    }
    return {Selector::name, std::string(text), {}};
  }
  const auto hash = text.rfind('#');
  const auto is_product = text.starts_with(kInputOf) || text.starts_with(kOutputOf);
  // A glob is matched against names with their number, such as Qcur-3#0.
  const auto has_number =
      hash != std::string_view::npos && (is_product || text.find_first_of("*?") == std::string_view::npos);
  const auto unnumbered = text.substr(0, has_number ? hash : text.size());
  std::optional<int> occurrence;
  if (has_number) {
    occurrence = number_of_text<int>(text.substr(hash + 1));
    if (!occurrence || *occurrence < 0 || hash == 0) refuse_selector(text, "has no number after its #");
  }
  for (const auto form : {kInputOf, kOutputOf}) {
    if (!text.starts_with(form)) continue;
    if (!unnumbered.ends_with(')')) refuse_selector(text, "has no closing parenthesis");
    const auto weight = unnumbered.substr(form.size(), unnumbered.size() - form.size() - 1);
    if (weight.empty() || weight.find_first_of("()#") != std::string_view::npos)
      refuse_selector(text, "names no weight");
    return {form == kInputOf ? Selector::input_of : Selector::output_of, std::string(weight), occurrence};
  }
  if (std::find(role_names().begin(), role_names().end(), text) != role_names().end()) {
    return {Selector::role, std::string(text), {}};
  }
  return {Selector::name, std::string(unnumbered), occurrence};
}

std::string to_string(const Selector& selector) {
  auto text = selector.text;
  if (selector.form == Selector::input_of) text = fmt::format("{}{})", kInputOf, selector.text);
  if (selector.form == Selector::output_of) text = fmt::format("{}{})", kOutputOf, selector.text);
  return selector.occurrence ? fmt::format("{}#{}", text, *selector.occurrence) : text;
}

bool is_matched_whole(std::string_view text) { return text.find_first_of(".*?") != std::string_view::npos; }

bool glob_match(std::string_view glob, std::string_view text) {
  // On a mismatch, let the last * match one character more.
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < glob.size() && glob[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < glob.size() && (glob[p] == '?' || glob[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < glob.size() && glob[p] == '*') ++p;
  return p == glob.size();
}

}  // namespace fakequant
