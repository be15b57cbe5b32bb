#include "report/compare_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {

Json to_json(const Comparison& comparison, const Provenance& provenance) {
  auto json = json_file("compare", comparison.a, provenance);
  json["other"] = comparison.b;
  json["identical"] = comparison.identical;
  json["tensors_identical"] = comparison.tensors_identical;
  json["only_in_a"] = comparison.only_in_a;
  json["only_in_b"] = comparison.only_in_b;
  json["reshaped"] = comparison.reshaped;
  json["metadata_differs"] = comparison.metadata_differs;
  json["not_comparable"] = Json::array();
  for (const auto& [name, name_b, reason] : comparison.not_comparable) {
    json["not_comparable"].push_back({{"name", name}, {"name_b", name_b}, {"reason", reason}});
  }
  json["tensors"] = Json::array();
  for (const auto& tensor : comparison.tensors) {
    Json entry;
    entry["name"] = tensor.name;
    entry["name_b"] = tensor.name_b;
    entry["type_a"] = tensor.type_a;
    entry["type_b"] = tensor.type_b;
    entry["scale_b"] = tensor.scale_b.empty() ? Json(nullptr) : Json(tensor.scale_b);
    entry["elements"] = tensor.elements;
    entry["changed"] = tensor.changed;
    entry["not_finite"] = tensor.not_finite;
    entry["max_abs"] = tensor.max_abs;
    entry["mean_abs"] = tensor.mean_abs;
    entry["max_rel"] = tensor.max_rel;
    entry["rmse"] = tensor.rmse;
    entry["sqnr_db"] = tensor.sqnr_db;
    entry["cosine"] = tensor.cosine;
    json["tensors"].push_back(std::move(entry));
  }
  return json;
}

namespace {

std::string types_text(const TensorComparison& tensor) {
  if (!tensor.scale_b.empty()) return fmt::format("{} → {} x scale", tensor.type_a, tensor.type_b);
  return tensor.type_a == tensor.type_b ? tensor.type_a : tensor.type_a + " → " + tensor.type_b;
}

}  // namespace

Table comparison_table(const Comparison& comparison) {
  std::vector<const TensorComparison*> differing;
  for (const auto& tensor : comparison.tensors) {
    if (!tensor.bytes_identical) differing.push_back(&tensor);
  }
  std::stable_sort(differing.begin(), differing.end(),
                   [](const auto* a, const auto* b) { return a->max_rel > b->max_rel; });
  Table table({"tensor<", "types<", "elements", "changed", "max abs", "mean abs", "max rel", "SQNR", "cosine"});
  for (const auto* tensor : differing) {
    table.add_row({tensor->name, types_text(*tensor), count_text(tensor->elements), count_text(tensor->changed),
                   value_text(tensor->max_abs), value_text(tensor->mean_abs), relative_text(tensor->max_rel),
                   std::isfinite(tensor->sqnr_db) ? fmt::format("{:.1f} dB", tensor->sqnr_db) : "",
                   fmt::format("{:.9f}", tensor->cosine)});
  }
  return table;
}

std::string to_text(const Comparison& comparison) {
  if (comparison.identical) return fmt::format("{} and {} are identical, byte for byte.\n", comparison.a, comparison.b);
  std::string text;
  if (const auto table = comparison_table(comparison); !table.empty()) text += table.to_text() + "\n";
  text += fmt::format("{} of {} in both files have the same bytes.\n", count_text(comparison.tensors_identical),
                      plural(static_cast<std::int64_t>(comparison.tensors.size()), "tensor"));
  for (const auto& tensor : comparison.tensors) {
    if (tensor.not_finite == 0) continue;
    text +=
        fmt::format("{}: {} NaN or infinite in one of the two and not the same in the other.\n", printable(tensor.name),
                    plural(tensor.not_finite, "value") + (tensor.not_finite == 1 ? " is" : " are"));
  }
  for (const auto& [name, name_b, reason] : comparison.not_comparable) {
    text += printable(fmt::format("Not comparable: {}: {}.", name, reason)) + "\n";
  }
  const auto list = [&](const std::string& what, const std::vector<std::string>& names) {
    if (!names.empty()) text += printable(fmt::format("{}: {}", what, fmt::join(names, ", "))) + "\n";
  };
  list("Only in " + comparison.a, comparison.only_in_a);
  list("Only in " + comparison.b, comparison.only_in_b);
  list("Of another shape", comparison.reshaped);
  list("Metadata that differs", comparison.metadata_differs);
  return text;
}

}  // namespace fakequant
