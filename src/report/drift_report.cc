#include "report/drift_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/eval_report.h"
#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {
namespace {

constexpr auto kNan = std::numeric_limits<double>::quiet_NaN();

Json layer_number(int layer) { return layer < 0 ? Json(nullptr) : Json(layer); }

void add_difference(Json& json, const NodeDifference& difference) {
  json["elements"] = difference.errors.elements;
  json["changed"] = difference.errors.changed;
  json["relative_error"] = difference.relative_error();
  json["sqnr_db"] = difference.errors.sqnr_db();
  json["cosine"] = difference.errors.cosine();
  json["max_abs"] = difference.errors.max_abs;
  json["absmax_baseline"] = difference.errors.absmax;
  json["absmax_variant"] = difference.absmax_variant;
  json["not_finite_baseline"] = difference.not_finite_baseline;
  json["not_finite_variant"] = difference.not_finite_variant;
}

Json tokens_json(const std::optional<TokenErrorFigures>& tokens) {
  if (!tokens) return nullptr;
  return {
      {"median", tokens->median}, {"p90", tokens->p90}, {"first", tokens->first}, {"first_share", tokens->first_share}};
}

Json node_json(const NodeDrift& node) {
  Json json;
  json["node"] = node.node;
  json["layer"] = layer_number(node.layer);
  json["operation"] = node.operation;
  add_difference(json, node.difference);
  json["token_errors"] = tokens_json(node.tokens);
  json["role"] = role_name(node.role);
  json["format"] = node.format.empty() ? Json(nullptr) : Json(node.format);
  json["changed_weights"] = node.changed_weights;
  json["made_of"] = node.made_of;
  json["largest_input"] = node.largest_input.empty() ? Json(nullptr) : Json(node.largest_input);
  json["input_relative_error"] = node.input_error;
  json["growth"] = std::isfinite(node.growth()) ? Json(node.growth()) : Json(nullptr);
  return json;
}

Json part_json(const std::optional<NodeDrift>& part) {
  if (!part) return nullptr;
  Json json;
  json["node"] = part->node;
  add_difference(json, part->difference);
  json["token_errors"] = tokens_json(part->tokens);
  return json;
}

Json layer_json(const LayerDrift& layer) {
  Json json;
  json["layer"] = layer.layer;
  json["output"] = part_json(layer.output);
  json["attention"] = part_json(layer.attention);
  json["ffn"] = part_json(layer.ffn);
  json["nodes"] = layer.nodes;
  json["entered"] = layer.entered;
  json["grown"] = layer.grown;
  json["died"] = layer.died;
  json["all_nodes"] = Json::object();
  add_difference(json["all_nodes"], layer.all_nodes);
  return json;
}

Json not_finite_json(const std::optional<FirstNotFinite>& first) {
  if (!first) return nullptr;
  return {{"node", first->node}, {"layer", layer_number(first->layer)}, {"chunk", first->chunk}};
}

Json logits_json(const DriftResult& result) {
  Json json;
  if (result.logits) {
    json["node"] = result.logits->node;
    add_difference(json, result.logits->difference);
    json["token_errors"] = tokens_json(result.logits->tokens);
  }
  if (result.divergence) {
    const auto& figures = *result.divergence;
    json["baseline_ppl"] = result.baseline_ppl.value;
    json["ppl"] = figures.ppl.value;
    json["ppl_ratio"] = figures.ppl_ratio.value;
    json["kld"] = {{"mean", figures.kld.value},
                   {"error", figures.kld.error},
                   {"median", figures.kld_at.median},
                   {"p99", figures.kld_at.p99},
                   {"max", figures.kld_at.max}};
    json["top1_agreement"] = figures.top1_agreement.value;
  } else {
    for (const auto* field : {"baseline_ppl", "ppl", "ppl_ratio", "kld", "top1_agreement"}) json[field] = nullptr;
  }
  return json;
}

// Infinite if values became NaN or infinite, or if the baseline is zero.
std::string error_text(double harm) {
  if (std::isnan(harm)) return "-";
  return std::isinf(harm) ? "∞" : relative_text(harm);
}

double harm_of(const std::optional<NodeDrift>& part) { return part ? part->difference.relative_harm() : kNan; }

std::string sqnr_text(const NodeDifference& difference) {
  const double sqnr = difference.errors.sqnr_db();
  return std::isfinite(sqnr) ? fmt::format("{:.1f} dB", sqnr) : "-";
}

// Four blocks for each power of ten, from 0.001 % on; at most 20, for 100 %.
std::string bar(double error) {
  constexpr double kMin = 1e-5, kBlocksPerDecade = 4;
  constexpr int kMax = 20;
  if (error == 0 || std::isnan(error)) return "";
  const double blocks = std::isinf(error) ? kMax : std::ceil(kBlocksPerDecade * std::log10(error / kMin));
  std::string text;
  for (int i = 0; i < std::clamp(static_cast<int>(std::min<double>(blocks, kMax)), 1, kMax); ++i) text += "█";
  return text;
}

// "↑ 1.30": the ratio of an error to the one before.
std::string growth_text(double growth) {
  constexpr double kSteady = 1.1;
  if (!std::isfinite(growth)) return "";
  const auto* arrow = growth >= kSteady ? "↑" : growth <= 1 / kSteady ? "↓" : "→";
  return fmt::format("{} {:.2f}", arrow, growth);
}

// Why an error enters at a node.
std::string reason(const NodeDrift& node) {
  if (!node.format.empty()) return "rounded to " + node.format;
  if (node.changed_weights.empty()) return "differs, though nothing it is made of does";
  const auto& weights = node.changed_weights;
  return weights.size() == 1 ? "another " + weights.front()
                             : fmt::format("another {} and {} more", weights.front(), weights.size() - 1);
}

// How notable a node is in its role.
double weight_of(const NodeDrift& node) {
  if (node.role == DriftRole::entered) return node.difference.relative_harm();
  if (node.role == DriftRole::grown) return node.growth();
  return node.error() == 0 ? std::numeric_limits<double>::infinity() : 1 / node.growth();
}

std::vector<const NodeDrift*> nodes_of(const DriftResult& result, DriftRole role) {
  std::vector<const NodeDrift*> nodes;
  for (const auto& node : result.nodes) {
    if (node.role == role) nodes.push_back(&node);
  }
  return nodes;
}

std::string section(const DriftResult& result, DriftRole role, const char* heading, const char* largest) {
  constexpr std::size_t kShown = 12;
  const auto count = nodes_of(result, role).size();
  if (count == 0) return {};
  const auto shown = count > kShown ? fmt::format(", the {} {} of {} nodes", kShown, largest,
                                                  count_text(static_cast<std::int64_t>(count)))
                                    : fmt::format(", {}", plural(static_cast<std::int64_t>(count), "node"));
  return fmt::format("\n{}{}:\n\n{}", heading, shown, nodes_table(result, role, kShown).to_text());
}

std::string logits_text(const DriftResult& result) {
  std::string text;
  if (result.logits) {
    const auto& difference = result.logits->difference;
    text += fmt::format("\nThe logits: relative error {}, SQNR {}, cosine {:.6f}, max abs {}\n",
                        error_text(difference.relative_harm()), sqnr_text(difference), difference.errors.cosine(),
                        value_text(difference.errors.max_abs));
  }
  if (!result.divergence) return text + "A logit is not a number, so that there is no divergence.\n";
  const auto& figures = *result.divergence;
  return text + fmt::format("KL divergence {} nats, perplexity {} of {}, same top token {}\n",
                            estimate_text(figures.kld), value_text(figures.ppl.value),
                            value_text(result.baseline_ppl.value), percent_text(figures.top1_agreement.value));
}

// Names the layers whose error is mostly that of the first token.
std::string first_token_note(const DriftResult& result) {
  constexpr double kMost = 0.5;
  std::vector<int> layers;
  for (const auto& layer : result.layers) {
    if (layer.output && layer.output->tokens && layer.output->tokens->first_share > kMost)
      layers.push_back(layer.layer);
  }
  if (layers.empty()) return {};
  return fmt::format(
      "  In {} {} most of the squared error is that of the first token, whose values are the largest in many models: "
      "the median says more about the others.\n",
      layers.size() == 1 ? "layer" : "layers", layer_ranges(layers));
}

// Which predictions carry the divergence.
std::string divergence_text(const DriftResult& result) {
  constexpr std::size_t kShown = 3;
  if (result.worst_tokens.empty()) return {};
  return fmt::format("Half of the divergence is in {} of {}. Where the models differ most:\n\n{}",
                     count_text(result.half_in), plural(result.predictions, "prediction"),
                     worst_tokens_table(result.worst_tokens, kShown).to_text());
}

std::string names_text(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) shown.push_back(printable(names[i]));
  const auto more = names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "";
  return fmt::format("{}{}", fmt::join(shown, ", "), more);
}

std::string not_finite_text(const char* who, std::int64_t count, const std::optional<FirstNotFinite>& first) {
  if (!first) return {};
  const auto layer = first->layer < 0 ? "" : fmt::format(" of layer {}", first->layer);
  return fmt::format("NaN or infinite in the {}, and left out: {} values, the first in {}{}, chunk {}.\n", who,
                     count_text(count), printable(first->node), layer, first->chunk);
}

}  // namespace

std::string role_name(DriftRole role) {
  switch (role) {
    case DriftRole::exact:
      return "exact";
    case DriftRole::entered:
      return "entered";
    case DriftRole::grown:
      return "grown";
    case DriftRole::carried:
      return "carried";
    case DriftRole::died:
      return "died";
  }
  return {};
}

Json to_json(const DriftResult& result, const Provenance& provenance) {
  auto json = json_file("drift", result.model, provenance);
  json["text"] = result.text;
  json["recipe"] = result.recipe;
  json["against"] = result.other_model.empty() ? Json(nullptr) : Json(result.other_model);
  json["nodes_pattern"] = result.pattern;
  json["threads"] = result.threads;
  json["ctx_size"] = result.ctx_size;
  json["chunks"] = result.chunks;
  json["tokens"] = result.tokens;
  json["tokens_together"] = result.tokens_together;
  json["kept_bytes"] = result.kept_bytes;
  json["logits"] = logits_json(result);
  json["predictions"] = result.predictions;
  json["half_of_the_divergence_in"] = result.half_in;
  json["worst_tokens"] = Json::array();
  for (const auto& token : result.worst_tokens) json["worst_tokens"].push_back(worst_token_json(token, result.text));
  json["layers"] = Json::array();
  for (const auto& layer : result.layers) json["layers"].push_back(layer_json(layer));
  json["nodes"] = Json::array();
  for (const auto& node : result.nodes) json["nodes"].push_back(node_json(node));
  json["only_in_baseline"] = result.only_in_baseline;
  json["only_in_variant"] = result.only_in_variant;
  json["reshaped"] = Json::array();
  for (const auto& node : result.reshaped) {
    json["reshaped"].push_back({{"node", node.node}, {"baseline", node.baseline}, {"variant", node.variant}});
  }
  json["not_finite_baseline"] = result.not_finite_baseline;
  json["not_finite_variant"] = result.not_finite_variant;
  json["first_not_finite_baseline"] = not_finite_json(result.first_not_finite_baseline);
  json["first_not_finite_variant"] = not_finite_json(result.first_not_finite_variant);
  return json;
}

Table layers_table(const DriftResult& result) {
  Table table({"layer", "error of attention", "error of FFN", "error of output", "median token", "90 % of tokens",
               "first token", "growth<", "median, 0.001 % to 100 %, logarithmic<"});
  double before = kNan;
  for (const auto& layer : result.layers) {
    const double whole = harm_of(layer.output);
    const auto tokens = layer.output ? layer.output->tokens : std::nullopt;
    const double error = tokens && std::isfinite(whole) ? tokens->median : whole;
    table.add_row({fmt::format("{}", layer.layer), error_text(harm_of(layer.attention)), error_text(harm_of(layer.ffn)),
                   error_text(whole), tokens ? error_text(tokens->median) : "-", tokens ? error_text(tokens->p90) : "-",
                   tokens ? error_text(tokens->first) : "-", growth_text(error / before), bar(error)});
    before = error;
  }
  return table;
}

Table nodes_table(const DriftResult& result, DriftRole role, std::size_t max_rows) {
  auto nodes = nodes_of(result, role);
  std::stable_sort(nodes.begin(), nodes.end(),
                   [](const NodeDrift* a, const NodeDrift* b) { return weight_of(*a) > weight_of(*b); });
  nodes.resize(std::min(max_rows, nodes.size()));
  std::sort(nodes.begin(), nodes.end());  // by their address in the result: the graph's order
  const bool enters = role == DriftRole::entered;
  Table table(
      enters ? std::vector<std::string>{"node<", "operation<", "came in", "relative error", "SQNR", "max abs", "why<"}
             : std::vector<std::string>{"node<", "operation<", "came in", "relative error", "growth<", "came from<"});
  for (const auto* node : nodes) {
    std::vector<std::string> row = {node->node, node->operation, error_text(node->input_error),
                                    error_text(node->difference.relative_harm())};
    if (enters) {
      row.insert(row.end(), {sqnr_text(node->difference), value_text(node->difference.errors.max_abs), reason(*node)});
    } else {
      row.insert(row.end(), {growth_text(node->growth()), node->largest_input});
    }
    table.add_row(std::move(row));
  }
  return table;
}

std::string drift_notes(const DriftResult& result) {
  std::string text;
  const auto only = [&](const std::vector<std::string>& names, const char* who) {
    if (names.empty()) return;
    text += fmt::format("{} only in the {}, not compared: {}.\n",
                        plural(static_cast<std::int64_t>(names.size()), "node"), who, names_text(names));
  };
  only(result.only_in_baseline, "baseline");
  only(result.only_in_variant, "variant");
  if (!result.reshaped.empty()) {
    std::vector<std::string> names;
    for (const auto& node : result.reshaped) {
      names.push_back(fmt::format("{} ({} and {})", node.node, shape_text(node.baseline), shape_text(node.variant)));
    }
    text += fmt::format("{} of other shapes, not compared: {}.\n",
                        plural(static_cast<std::int64_t>(names.size()), "node"), names_text(names));
  }
  text += not_finite_text("baseline", result.not_finite_baseline, result.first_not_finite_baseline);
  text += not_finite_text("variant", result.not_finite_variant, result.first_not_finite_variant);
  return text;
}

std::string to_text(const DriftResult& result) {
  const auto what = !result.other_model.empty() ? "the model " + result.other_model
                    : result.recipe.empty()     ? "no rules, the model against itself"
                                                : result.recipe;
  auto text = fmt::format("{} on {}: {} of {} tokens\nThe variant: {}\n", result.model, printable(result.text),
                          plural(result.chunks, "chunk"), result.ctx_size, what);
  if (!result.layers.empty()) {
    text += fmt::format("\nRelative errors by layer, ||variant - baseline|| / ||baseline||:\n\n{}{}",
                        layers_table(result).to_text(), first_token_note(result));
  }
  text += section(result, DriftRole::entered, "Where error enters", "largest");
  text += section(result, DriftRole::grown, "Where it grows to twice and more", "steepest");
  text += section(result, DriftRole::died, "Where it dies to half and less", "steepest");
  text += logits_text(result) + divergence_text(result);
  if (const auto notes = drift_notes(result); !notes.empty()) text += "\n" + notes;
  return text;
}

}  // namespace fakequant
