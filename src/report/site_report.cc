#include "report/site_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "recipe/site_match.h"
#include "report/numbers.h"
#include "report/printable_text.h"
#include "report/reader_text.h"
#include "report/table.h"

namespace fakequant {
namespace {

using Row = std::vector<std::string>;

Json layer_json(int layer) { return layer < 0 ? Json(nullptr) : Json(layer); }

// "64x4": the values of one token, without the dimensions that are 1.
std::string token_shape(const NodeShape& shape) {
  std::vector<std::int64_t> dimensions(shape.begin(), shape.end());
  while (dimensions.size() > 1 && dimensions.back() == 1) dimensions.pop_back();
  return shape_text(dimensions);
}

// "in(ffn_up)" for the input, or "out(ffn_up)" for the result, of the product with a weight.
std::string product_word(Selector::Form form, const WeightName& weight) {
  return to_string(Selector{form, printable(weight_word(weight.name, weight.layer)), weight.occurrence});
}

// The site as a rule names it, for any layer.
std::string activation_word(const Site& site) {
  std::vector<std::string> words;
  for (const auto& node : site.node_names) {
    words.push_back(
        printable(node.is_last ? node_word(node.name) : fmt::format("{}#{}", node_word(node.name), node.occurrence)));
  }
  if (!words.empty()) return fmt::format("{}", fmt::join(words, ", "));
  if (site.feeds.empty() && site.product_of && !site.is_logits) {
    return product_word(Selector::output_of, *site.product_of);
  }
  if (site.feeds.empty()) return site.layer ? printable(node_word(site.name)) : site.name;
  return product_word(Selector::input_of, site.feeds.front());
}

// Merges rows that differ in the layer only; the second cell lists the layers.
class LayerRows {
 public:
  explicit LayerRows(Layers layers) : folded_(layers == Layers::folded) {}

  void add(Row row, int layer) {
    const auto [found, is_new] = indices_.try_emplace(row, rows_.size());
    if (is_new || !folded_) {
      rows_.push_back(std::move(row));
      layers_.emplace_back();
    }
    if (layer >= 0) layers_[folded_ ? found->second : rows_.size() - 1].push_back(layer);
  }

  void add_to(Table& table) && {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      std::sort(layers_[i].begin(), layers_[i].end());
      layers_[i].erase(std::unique(layers_[i].begin(), layers_[i].end()), layers_[i].end());
      rows_[i][1] = layer_ranges(layers_[i]);
      table.add_row(std::move(rows_[i]));
    }
  }

 private:
  bool folded_;
  std::map<Row, std::size_t> indices_;
  std::vector<Row> rows_;
  std::vector<std::vector<int>> layers_;
};

Table weights_table(const SiteList& sites, Layers layers) {
  const bool has_rules = std::any_of(sites.weights.begin(), sites.weights.end(),
                                     [](const WeightEntry& weight) { return !weight.format.empty(); });
  const bool has_readers = std::any_of(sites.weights.begin(), sites.weights.end(),
                                       [](const WeightEntry& weight) { return !weight.readers.empty(); });
  std::vector<std::string> headers = {"weight<", "layers<", "type<", "shape"};
  if (has_readers) headers.emplace_back("read by<");
  if (has_rules) headers.insert(headers.end(), {"format<", "stored as<"});
  LayerRows rows(layers);
  for (const auto& weight : sites.weights) {
    const auto layer = weight.layer < 0 ? std::nullopt : std::optional(weight.layer);
    auto word = weight_word(weight.name, layer);
    if (word.empty() && layer) word = weight.name.substr(weight.name.find('.', weight.name.find("blk.") + 4) + 1);
    std::vector<Reader> readers = weight.readers;
    for (auto& reader : readers) reader.weight.clear();
    Row row = {printable(word.empty() ? weight.name : word), "", weight.type, shape_text(weight.shape)};
    if (has_readers) row.push_back(readers_text(readers));
    if (has_rules) row.insert(row.end(), {weight.format, weight.stored_as});
    rows.add(std::move(row), weight.layer);
  }
  Table table(headers);
  std::move(rows).add_to(table);
  return table;
}

Table activations_table(const SiteList& sites, Layers layers) {
  const bool has_rules = std::any_of(sites.activations.begin(), sites.activations.end(),
                                     [](const ActivationEntry& entry) { return !entry.format.empty(); });
  std::vector<std::string> headers = {"activation<", "layers<",  "a token",
                                      "roles<",      "read by<", "kernels round it to<"};
  const bool has_tokens = std::any_of(sites.activations.begin(), sites.activations.end(),
                                      [](const ActivationEntry& e) { return !e.tokens.empty() && e.tokens != "all"; });
  if (has_rules) headers.emplace_back("format<");
  if (has_tokens) headers.emplace_back("tokens<");
  LayerRows rows(layers);
  for (const auto& entry : sites.activations) {
    Row row = {activation_word(entry.site.site), "",
               token_shape(entry.site.shape),    fmt::format("{}", fmt::join(entry.roles, ", ")),
               readers_text(entry.site.readers), kernels_text(entry.site.readers)};
    if (has_rules) row.push_back(entry.format);
    if (has_tokens) row.push_back(entry.tokens);
    rows.add(std::move(row), entry.site.site.layer.value_or(-1));
  }
  Table table(headers);
  std::move(rows).add_to(table);
  return table;
}

// A line for each kind of site whose rounded values are also read by readers that the rule does not name.
std::string notes(const SiteList& sites) {
  std::map<std::pair<std::string, std::string>, std::vector<int>> layers;
  for (const auto& entry : sites.activations) {
    if (entry.other_readers.empty()) continue;
    auto& of_note = layers[{activation_word(entry.site.site), readers_text(entry.other_readers)}];
    if (entry.site.site.layer) of_note.push_back(*entry.site.site.layer);
  }
  std::string text;
  for (const auto& [note, of_note] : layers) {
    text += fmt::format("{}{} is also read by {}, which will see the rounded values.\n", note.first,
                        of_note.empty() ? "" : "@" + layer_ranges(of_note), note.second);
  }
  return text;
}

}  // namespace

Json to_json(const SiteList& sites, const Provenance& provenance) {
  auto json = json_file("sites", sites.model, provenance);
  json["layers"] = sites.layers;
  json["recipe"] = sites.recipe;
  json["weights"] = Json::array();
  for (const auto& weight : sites.weights) {
    json["weights"].push_back({{"name", weight.name},
                               {"type", weight.type},
                               {"shape", weight.shape},
                               {"elements", weight.elements},
                               {"layer", layer_json(weight.layer)},
                               {"readers", readers_json(weight.readers)},
                               {"format", text_or_null(weight.format)},
                               {"stored_as", text_or_null(weight.stored_as)}});
  }
  json["not_measured"] = text_or_null(sites.not_measured);
  json["activations"] = Json::array();
  for (const auto& entry : sites.activations) {
    const auto& site = entry.site.site;
    auto names = Json::array(), feeds = Json::array();
    for (const auto& node : site.node_names) names.push_back(node.unique());
    for (const auto& weight : site.feeds) feeds.push_back(weight.name);
    json["activations"].push_back({{"site", site.name},
                                   {"names", names},
                                   {"layer", layer_json(site.layer.value_or(-1))},
                                   {"type", "F32"},
                                   {"shape", entry.site.shape},
                                   {"operation", entry.site.operation},
                                   {"roles", entry.roles},
                                   {"feeds", feeds},
                                   {"product_of", text_or_null(site.product_of ? site.product_of->name : "")},
                                   {"readers", readers_json(entry.site.readers)},
                                   {"kernels_round_to", kernels_json(entry.site.readers)},
                                   {"format", text_or_null(entry.format)},
                                   {"tokens", text_or_null(entry.tokens)},
                                   {"also_read_by", readers_json(entry.other_readers)}});
  }
  return json;
}

std::string to_text(const SiteList& sites, Layers layers) {
  const auto weights = plural(static_cast<std::int64_t>(sites.weights.size()), "weight");
  const auto activations = plural(static_cast<std::int64_t>(sites.activations.size()), "activation");
  auto text = sites.only_named
                  ? fmt::format("{} under {}: {} and {} to round\n", sites.model, sites.recipe, weights, activations)
                  : fmt::format("{}: {}, {}, {}{}\n", sites.model, plural(sites.layers, "layer"), weights, activations,
                                sites.recipe.empty() ? "" : fmt::format(", under {}", sites.recipe));
  if (!sites.weights.empty()) text += "\n" + weights_table(sites, layers).to_text();
  if (!sites.activations.empty()) text += "\n" + activations_table(sites, layers).to_text();
  if (const auto more = notes(sites); !more.empty()) text += "\n" + more;
  if (!sites.not_measured.empty()) {
    text += fmt::format(
        "\nIts activations are not listed: it is {}. Its weights can be rounded and compared, and not evaluated.\n",
        sites.not_measured);
  }
  return text;
}

}  // namespace fakequant
