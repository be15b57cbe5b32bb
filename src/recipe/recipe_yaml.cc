#include "recipe/recipe_yaml.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <set>

#include "error.h"
#include "format/format_properties.h"
#include "recipe/builtin_recipes.h"
#include "recipe/head_span.h"
#include "recipe/nearest_words.h"
#include "text_file.h"

namespace fakequant {
namespace {

constexpr auto kInputKey = "input_of", kOutputKey = "output_of";

// Those options of a rule that are not its format's but about one other part of it.
struct OptionsOfPart {
  std::vector<FormatOption> options;
  YAML::Node first;  // the key of the first, where faults are shown

  void add(const YAML::Node& key, FormatOption option) {
    if (options.empty()) first.reset(key);
    options.push_back(std::move(option));
  }
};

class RecipeReader {
 public:
  explicit RecipeReader(std::string_view name) : name_(name) {}

  RecipeFile read(const YAML::Node& root) const;

 private:
  [[noreturn]] void refuse(const YAML::Node& node, const std::string& what) const {
    const auto mark = node.Mark();
    throw usage_error(fmt::format("{}:{}:{}: {}", name_, mark.line + 1, mark.column + 1, what));
  }

  std::string scalar(const YAML::Node& node) const {
    if (!node.IsScalar()) refuse(node, "expected a single word or number here");
    return node.Scalar();
  }

  // Calls parse, and puts the node's line and column before the message of its error.
  template <typename Parse>
  auto located(const YAML::Node& node, const Parse& parse) const {
    try {
      return parse();
    } catch (const Error& error) {
      refuse(node, error.what());
    }
  }

  // "ffn_norm" or, for activations, {input_of: ffn_up}, which is in(ffn_up), and {output_of: ffn_up}, out(ffn_up).
  std::string selector_text(SiteKind kind, const YAML::Node& node) const {
    if (!node.IsMap() || kind == SiteKind::weight) return scalar(node);
    const auto key = node.size() == 1 ? scalar(node.begin()->first) : "";
    if (key != kInputKey && key != kOutputKey) {
      refuse(node, "expected a name, a glob, a role, {input_of: WEIGHT} or {output_of: WEIGHT} here");
    }
    const auto form = key == kInputKey ? Selector::input_of : Selector::output_of;
    return to_string(Selector{form, scalar(node.begin()->second), {}});
  }

  // 'w:output', or a list of such patterns.
  std::vector<SitePattern> read_exceptions(const YAML::Node& node) const {
    std::vector<SitePattern> exceptions;
    const auto add = [&](const YAML::Node& one) {
      const auto text = scalar(one);
      exceptions.push_back(located(one, [&] { return parse_site_pattern(text); }));
    };
    if (!node.IsSequence()) {
      add(node);
      return exceptions;
    }
    for (const auto& one : node) add(one);
    return exceptions;
  }

  // A codebook is read while the recipe is: its file may lie beside it.
  std::string format_name(const std::string& name) const {
    constexpr std::string_view kLookup = "lookup:";
    if (!name.starts_with(kLookup)) return name;
    std::error_code ignored;
    const auto file = name.substr(kLookup.size());
    const auto beside = std::filesystem::path(name_).parent_path() / file;
    if (std::filesystem::exists(file, ignored) || !std::filesystem::exists(beside, ignored)) return name;
    return std::string(kLookup) + beside.string();
  }

  // An error is located at the first option that causes it, or at the format.
  Format read_format(const YAML::Node& format, const std::vector<FormatOption>& options,
                     const std::vector<YAML::Node>& option_nodes) const {
    const auto name = format_name(format.Scalar());
    const auto refusal = [&](std::size_t count) -> std::string {
      try {
        make_format(name, {options.begin(), options.begin() + static_cast<std::ptrdiff_t>(count)});
      } catch (const Error& error) {
        return error.what();
      }
      return {};
    };
    if (const auto why = refusal(options.size()); !why.empty()) {
      std::size_t culprit = 0;
      while (culprit < options.size() && refusal(culprit) != why) ++culprit;
      refuse(culprit == 0 ? format : option_nodes[culprit - 1], why);
    }
    return make_format(name, options);
  }

  Rule read_rule(const YAML::Node& node) const {
    if (node.IsScalar()) return located(node, [&] { return parse_rule(node.Scalar()); });
    if (!node.IsMap()) refuse(node, "a rule has keys: weights: or activations:, and format:");
    Rule rule;
    bool has_site = false;
    YAML::Node format, head_span;
    std::vector<FormatOption> options;
    std::vector<YAML::Node> option_nodes;
    OptionsOfPart of_accumulator, of_cache;
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const auto key = scalar(entry.first);
      if (!seen.insert(key).second) refuse(entry.first, fmt::format("key '{}' occurs twice in this rule", key));
      if (key == "weights" || key == "activations") {
        if (has_site) refuse(entry.first, "a rule has one of weights: and activations:, once");
        has_site = true;
        rule.pattern.kind = key == "weights" ? SiteKind::weight : SiteKind::activation;
        const auto text = selector_text(rule.pattern.kind, entry.second);
        rule.pattern.selector = located(entry.second, [&] { return parse_selector(rule.pattern.kind, text); });
        continue;
      }
      if (key == "except") {
        rule.pattern.except = read_exceptions(entry.second);
        continue;
      }
      const auto value = scalar(entry.second);
      if (key == "layers") {
        rule.pattern.layers = located(entry.second, [&] { return parse_layers(value); });
      } else if (key == "tokens") {
        rule.pattern.tokens = located(entry.second, [&] { return parse_tokens(value); });
      } else if (key == "format") {
        format.reset(entry.second);
      } else if (is_accumulator_option(key)) {
        of_accumulator.add(entry.first, {key, value});
      } else if (is_cache_option({key, value})) {
        of_cache.add(entry.first, {key, value});
      } else {
        const bool is_of_heads = is_head_span({key, value});
        if (is_of_heads) head_span.reset(entry.first);
        options.push_back(is_of_heads ? row_span() : FormatOption{key, value});
        option_nodes.push_back(entry.first);
      }
    }
    if ((!has_site || format.IsNull()) && !options.empty()) {
      refuse(node, fmt::format("unknown key '{}': a rule has weights: or activations:, format:, and may have layers:, "
                               "tokens:, except: and the format's options",
                               options[0].key));
    }
    if (!has_site) refuse(node, "this rule names no site: add weights: or activations:");
    if (format.IsNull()) refuse(node, "this rule names no format: add format:");
    rule.format = read_format(format, options, option_nodes);
    if (!of_accumulator.options.empty()) {
      located(of_accumulator.first, [&] {
        check_accumulated(rule.pattern);
        rule.accumulator = make_accumulator(of_accumulator.options);
      });
    }
    if (!of_cache.options.empty()) {
      located(of_cache.first, [&] { rule.cache_tokens = make_cache_tokens(of_cache.options); });
    }
    located(node, [&] { check_rule(rule); });
    if (!head_span.IsNull()) located(head_span, [&] { check_head_span(rule); });
    return rule;
  }

  std::string_view name_;
};

// Where a key's value is kept; null for a key that is no setting.
std::string RecipeSettings::*setting_of(std::string_view key) {
  for (const auto& [name, member] :
       {std::pair<std::string_view, std::string RecipeSettings::*>{"arithmetic", &RecipeSettings::arithmetic},
        {"cache_type_k", &RecipeSettings::cache_type_k},
        {"cache_type_v", &RecipeSettings::cache_type_v},
        {"flash_attn", &RecipeSettings::flash_attn},
        {"name", &RecipeSettings::name},
        {"source", &RecipeSettings::source},
        {"notes", &RecipeSettings::notes}}) {
    if (key == name) return member;
  }
  return nullptr;
}

RecipeFile RecipeReader::read(const YAML::Node& root) const {
  if (root.IsNull())
    throw usage_error(fmt::format("{}: the recipe is empty: it needs rules: with a list below it", name_));
  if (!root.IsMap()) refuse(root, "a recipe has the key rules: with a list below it");
  RecipeFile recipe;
  std::set<std::string> seen;
  for (const auto& entry : root) {
    const auto key = scalar(entry.first);
    if (!seen.insert(key).second) refuse(entry.first, fmt::format("key '{}' occurs twice in this recipe", key));
    if (key == "rules" || key == "except") continue;
    const auto setting = setting_of(key);
    if (setting == nullptr) {
      refuse(entry.first, fmt::format("unknown key '{}': a recipe has rules: and may have except:, arithmetic:, "
                                      "cache_type_k:, cache_type_v:, flash_attn:, name:, source: and notes:",
                                      key));
    }
    recipe.settings.*setting = scalar(entry.second);
  }
  const auto rules = root["rules"];
  if (!rules && attention_text(recipe.settings).empty())
    refuse(root, "a recipe has the key rules: with a list below it");
  if (rules) {
    if (!rules.IsSequence() || rules.size() == 0) refuse(rules, "rules: needs a list of rules, each with a dash");
    for (const auto& node : rules) recipe.rules.push_back(read_rule(node));
  }
  if (const auto except = root["except"]) {
    const auto exceptions = read_exceptions(except);
    located(except, [&] { add_exceptions(recipe.rules, exceptions); });
  }
  return recipe;
}

}  // namespace

RecipeFile parse_recipe_file(const std::string& text, std::string_view name) {
  try {
    const auto documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      const auto mark = documents[1].Mark();
      throw usage_error(fmt::format("{}:{}:{}: a second document begins here: a recipe has one", name, mark.line + 1,
                                    mark.column + 1));
    }
    return RecipeReader(name).read(documents.empty() ? YAML::Node() : documents[0]);
  } catch (const YAML::Exception& error) {
    throw usage_error(fmt::format("{}:{}:{}: {}", name, error.mark.line + 1, error.mark.column + 1, error.msg));
  }
}

Recipe parse_recipe(const std::string& text, std::string_view name) { return parse_recipe_file(text, name).rules; }

const BuiltinRecipe& builtin_recipe(const std::string& name) {
  std::set<std::string> names;
  for (const auto& recipe : builtin_recipes()) {
    if (recipe.name == name) return recipe;
    names.emplace(recipe.name);
  }
  throw usage_error(fmt::format("there is no recipe @{}: the nearest are {}; fakequant recipes lists them", name,
                                fmt::join(nearest_words(name, names), ", ")));
}

RecipeFile load_recipe(const std::string& path) {
  if (path.size() > 1 && path.starts_with('@')) {
    return parse_recipe_file(std::string(builtin_recipe(path.substr(1)).text), path);
  }
  auto recipe = parse_recipe_file(read_text(path, fmt::format("the recipe {}", path)), path);
  const auto folder = std::filesystem::path(path).parent_path();
  const auto find = [&](std::string& file) {
    std::error_code ignored;
    if (file.empty() || std::filesystem::exists(file, ignored)) return;
    if (const auto beside = folder / file; std::filesystem::exists(beside, ignored)) file = beside.string();
  };
  for (auto& rule : recipe.rules) {
    for (auto* file : file_parts(rule.format)) find(*file);
  }
  return recipe;
}

std::string to_yaml(const Recipe& recipe) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "rules" << YAML::Value << YAML::BeginSeq;
  for (const auto& rule : recipe) {
    out << YAML::BeginMap;
    out << YAML::Key << (rule.pattern.kind == SiteKind::weight ? "weights" : "activations") << YAML::Value;
    const auto& selector = rule.pattern.selector;
    if ((selector.form == Selector::input_of || selector.form == Selector::output_of) && !selector.occurrence) {
      out << YAML::Flow << YAML::BeginMap << YAML::Key << (selector.form == Selector::input_of ? kInputKey : kOutputKey)
          << YAML::Value << selector.text << YAML::EndMap;
    } else {
      out << to_string(selector);
    }
    if (!rule.pattern.layers.is_all()) out << YAML::Key << "layers" << YAML::Value << to_string(rule.pattern.layers);
    if (!rule.pattern.tokens.is_all()) out << YAML::Key << "tokens" << YAML::Value << to_string(rule.pattern.tokens);
    if (!rule.pattern.except.empty()) {
      out << YAML::Key << "except" << YAML::Value << YAML::Flow << YAML::BeginSeq;
      for (const auto& exception : rule.pattern.except) out << to_string(exception);
      out << YAML::EndSeq;
    }
    out << YAML::Key << "format" << YAML::Value << rule.format.name;
    auto options = options_of(rule.format);
    for (auto& option : options_beside_format(format_of(rule))) options.push_back(std::move(option));
    for (const auto& [key, value] : options) out << YAML::Key << key << YAML::Value << value;
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace fakequant
