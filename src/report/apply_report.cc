#include "report/apply_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "gguf/gguf_file.h"
#include "report/layer_names.h"
#include "report/numbers.h"

namespace fakequant {

Json rounding_json(const ApplyResult& result) {
  auto json = Json::array();
  for (const auto& tensor : result.tensors) {
    Json entry;
    entry["name"] = tensor.name;
    entry["type"] = tensor.type;
    entry["stored_as"] = tensor.stored_as;
    entry["format"] = tensor.format;
    add_rounding_errors(entry, tensor.errors);
    entry["became_infinite"] = tensor.became_infinite;
    entry["storage_moved"] = tensor.storage_moved;
    entry["storage_max_abs"] = tensor.storage_max_abs;
    entry["storage_overflow"] = tensor.storage_overflow;
    entry["lacks_importance"] = tensor.lacks_importance;
    json.push_back(std::move(entry));
  }
  return json;
}

Json to_json(const ApplyResult& result, const Provenance& provenance) {
  auto json = json_file("apply", result.model, provenance);
  json["output"] = result.outputs.front();
  json["outputs"] = result.outputs;
  json["output_size"] = result.output_size;
  json["recipe"] = result.recipe;
  json["tensors_copied"] = result.tensors_copied;
  json["tensors"] = rounding_json(result);
  return json;
}

ApplyResult fold_layers(const ApplyResult& result) {
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  std::map<Key, std::size_t> indices;
  std::vector<std::vector<int>> layers;
  auto folded = result;
  folded.tensors.clear();
  for (const auto& tensor : result.tensors) {
    const auto pattern = layer_pattern(tensor.name);
    const auto [index, is_new] =
        indices.emplace(Key{pattern, tensor.type, tensor.stored_as, tensor.format}, folded.tensors.size());
    if (is_new) {
      folded.tensors.push_back({pattern, tensor.type, tensor.stored_as, tensor.format, {}, 0, 0, 0, 0});
      layers.emplace_back();
    }
    auto& all = folded.tensors[index->second];
    all.errors.add(tensor.errors);
    all.became_infinite += tensor.became_infinite;
    all.storage_moved += tensor.storage_moved;
    all.storage_max_abs = std::max(all.storage_max_abs, tensor.storage_max_abs);
    all.storage_overflow += tensor.storage_overflow;
    all.lacks_importance = all.lacks_importance || tensor.lacks_importance;
    if (const auto layer = layer_of_tensor(tensor.name)) layers[index->second].push_back(*layer);
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    std::sort(layers[i].begin(), layers[i].end());
    folded.tensors[i].name = with_layers(folded.tensors[i].name, layers[i]);
  }
  return folded;
}

Table rounding_table(const ApplyResult& result) {
  const bool moved =
      std::any_of(result.tensors.begin(), result.tensors.end(), [](const auto& t) { return t.storage_moved > 0; });
  std::vector<std::string> headers = {"tensor<", "format<",  "elements", "changed",
                                      "max abs", "mean abs", "max rel",  "SQNR"};
  const bool promoted =
      std::any_of(result.tensors.begin(), result.tensors.end(), [](const auto& t) { return t.stored_as != t.type; });
  if (promoted) headers.emplace_back("stored as<");
  if (moved) headers.emplace_back("moved by storage");
  Table table(headers);
  for (const auto& tensor : result.tensors) {
    const auto& e = tensor.errors;
    std::vector<std::string> row = {tensor.name,
                                    tensor.format.empty() ? "not rounded" : tensor.format,
                                    count_text(e.elements),
                                    count_text(e.changed),
                                    value_text(e.max_abs),
                                    value_text(e.mean_abs()),
                                    relative_text(e.max_rel),
                                    e.changed == 0 ? "" : fmt::format("{:.1f} dB", e.sqnr_db())};
    if (promoted) row.push_back(tensor.stored_as == tensor.type ? "" : tensor.type + " → " + tensor.stored_as);
    if (moved) {
      row.push_back(tensor.storage_moved == 0 ? "0"
                                              : fmt::format("{} by {} at most ({})", count_text(tensor.storage_moved),
                                                            value_text(tensor.storage_max_abs), tensor.stored_as));
    }
    table.add_row(std::move(row));
  }
  return table;
}

std::string rounding_summary(const ApplyResult& result) {
  std::int64_t elements = 0, changed = 0, moved = 0;
  std::vector<std::string> without_importance;
  bool has_rounded = false;
  for (const auto& tensor : result.tensors) {
    elements += tensor.errors.elements;
    changed += tensor.errors.changed;
    moved += tensor.storage_moved;
    has_rounded = has_rounded || !tensor.format.empty();
    if (tensor.lacks_importance) without_importance.push_back(layer_pattern(tensor.name));
  }
  const auto of_all = [&](std::int64_t values) {
    return fmt::format("{} of {} values ({})", count_text(values), count_text(elements),
                       percent_text(static_cast<double>(values) / static_cast<double>(elements)));
  };
  std::string text;
  if (changed > 0) {
    text = fmt::format("{} of {} values changed ({}).\n", count_text(changed), count_text(elements),
                       percent_text(static_cast<double>(changed) / static_cast<double>(elements)));
  } else if (moved == 0) {
    text = has_rounded ? "Nothing changed: rounding leaves every value as it was.\n" : "No value changed.\n";
  } else if (has_rounded) {
    text = "Rounding leaves every value as it was.\n";
  }
  if (moved > 0) text += fmt::format("Storing changed {}.\n", of_all(moved));
  if (!without_importance.empty()) {
    const auto count = static_cast<std::int64_t>(without_importance.size());
    std::sort(without_importance.begin(), without_importance.end());
    without_importance.erase(std::unique(without_importance.begin(), without_importance.end()),
                             without_importance.end());
    text += fmt::format("The importance matrix lacks {}, quantized without it, as llama-quantize does: {}.\n",
                        plural(count, "tensor"), fmt::join(without_importance, ", "));
  }
  const auto beware = [&](const TensorRounding& tensor, std::int64_t values, const std::string& why,
                          const char* what = "infinite") {
    if (values > 0) {
      text += fmt::format("Beware: {} of {} became {}, because {}.\n", plural(values, "value"), tensor.name, what, why);
    }
  };
  for (const auto& tensor : result.tensors) {
    beware(tensor, tensor.became_nan(), fmt::format("{} ends below values of their block", tensor.format), "NaN");
    beware(tensor, tensor.became_infinite,
           fmt::format("{} ends below {}", tensor.format, tensor.became_infinite == 1 ? "it" : "them"));
    beware(tensor, tensor.storage_overflow,
           fmt::format("{} cannot hold what {} rounded to", tensor.stored_as,
                       tensor.storage_overflow == 1 ? "it" : "they"));
  }
  return text;
}

std::string storage_note(const ApplyResult& result) {
  std::vector<std::string> changes;
  for (const auto& tensor : result.tensors) {
    const auto change = fmt::format("{} → {}", tensor.type, tensor.stored_as);
    const bool is_new = std::find(changes.begin(), changes.end(), change) == changes.end();
    if (tensor.stored_as != tensor.type && is_new) changes.push_back(change);
  }
  if (changes.empty()) return {};
  return fmt::format(
      "Beware: weights are stored wider than in the baseline ({}). llama.cpp multiplies by them with other kernels, "
      "which round their input otherwise; the same rules with mantissa23 show what that does alone.\n",
      fmt::join(changes, ", "));
}

std::string to_text(const ApplyResult& result) {
  return rounding_table(result).to_text() + "\n" + rounding_summary(result) +
         fmt::format("{}: {}, {} {}, {} copied{}.\n", fmt::join(result.outputs, ", "), bytes_text(result.output_size),
                     plural(static_cast<std::int64_t>(result.tensors.size()), "tensor"),
                     result.recipe.empty() ? "stored otherwise" : "named by the rules",
                     count_text(result.tensors_copied),
                     result.recipe.empty() ? "" : fmt::format(" ({})", result.recipe));
}

void add_roundings(Json& json, const std::vector<NamedRounding>& roundings) {
  for (const auto& [variant, rounding] : roundings) {
    for (auto& tensor : rounding_json(rounding)) {
      tensor["variant"] = variant;
      json["weights"].push_back(std::move(tensor));
    }
  }
}

std::string roundings_text(const std::vector<NamedRounding>& roundings, Arithmetic arithmetic) {
  std::string text;
  for (const auto& [variant, rounding] : roundings) {
    text += fmt::format("\nThe weights of {}:\n\n{}{}{}", variant, rounding_table(rounding).to_text(),
                        rounding_summary(rounding), arithmetic == Arithmetic::native ? storage_note(rounding) : "");
  }
  return text;
}

}  // namespace fakequant
