#include "report/apply_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/numbers.h"

namespace fakequant {

Json to_json(const ApplyResult& result, const Provenance& provenance) {
  auto json = json_file("apply", result.model, provenance);
  json["output"] = result.output;
  json["output_size"] = result.output_size;
  json["recipe"] = result.recipe;
  json["tensors_copied"] = result.tensors_copied;
  json["tensors"] = Json::array();
  for (const auto& tensor : result.tensors) {
    Json entry;
    entry["name"] = tensor.name;
    entry["type"] = tensor.type;
    entry["format"] = tensor.format;
    add_rounding_errors(entry, tensor.errors);
    entry["storage_moved"] = tensor.storage_moved;
    entry["storage_max_abs"] = tensor.storage_max_abs;
    json["tensors"].push_back(std::move(entry));
  }
  return json;
}

Table rounding_table(const ApplyResult& result) {
  const bool moved =
      std::any_of(result.tensors.begin(), result.tensors.end(), [](const auto& t) { return t.storage_moved > 0; });
  std::vector<std::string> headers = {"tensor<", "format<",  "elements", "changed",
                                      "max abs", "mean abs", "max rel",  "SQNR"};
  if (moved) headers.emplace_back("moved by storage");
  Table table(headers);
  for (const auto& tensor : result.tensors) {
    const auto& e = tensor.errors;
    std::vector<std::string> row = {tensor.name,
                                    tensor.format,
                                    count_text(e.elements),
                                    count_text(e.changed),
                                    value_text(e.max_abs),
                                    value_text(e.mean_abs()),
                                    e.max_rel == 0 ? "0" : fmt::format("{:.2g} %", e.max_rel * 100),
                                    e.changed == 0 ? "" : fmt::format("{:.1f} dB", e.sqnr_db())};
    if (moved) {
      row.push_back(tensor.storage_moved == 0 ? "0"
                                              : fmt::format("{} by {} at most ({})", count_text(tensor.storage_moved),
                                                            value_text(tensor.storage_max_abs), tensor.type));
    }
    table.add_row(std::move(row));
  }
  return table;
}

std::string to_text(const ApplyResult& result) {
  const auto changed =
      std::count_if(result.tensors.begin(), result.tensors.end(), [](const auto& t) { return t.errors.changed > 0; });
  auto text = rounding_table(result).to_text() + "\n";
  if (changed == 0) text += "Nothing changed: every value was one of its format's already.\n";
  text +=
      fmt::format("{}: {}, {} rounded, {} copied as {} ({}).\n", result.output, bytes_text(result.output_size),
                  plural(static_cast<std::int64_t>(result.tensors.size()), "tensor"), count_text(result.tensors_copied),
                  result.tensors_copied == 1 ? "it was" : "they were", result.recipe);
  return text;
}

}  // namespace fakequant
