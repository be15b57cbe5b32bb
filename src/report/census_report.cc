#include "report/census_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "report/census_classes.h"
#include "report/numbers.h"
#include "weights/narrower_formats.h"

namespace fakequant {
namespace {

// "6 ffn_norm, 6 attn_norm and output_norm"
std::string list_classes(const std::vector<const TensorCensus*>& tensors) {
  std::vector<std::string> order;
  std::map<std::string, int> count;
  for (const auto* tensor : tensors) {
    if (const auto name = class_word(*tensor); count[name]++ == 0) order.push_back(name);
  }
  std::vector<std::string> parts;
  for (const auto& name : order)
    parts.push_back(printable(count[name] == 1 ? name : fmt::format("{} {}", count[name], name)));
  if (parts.size() == 1) return parts[0];
  const auto last = parts.back();
  parts.pop_back();
  return fmt::format("{} and {}", fmt::join(parts, ", "), last);
}

// "6 ffn_norm, stored as F32, fit in f16 without loss: 6.1 kB in place of 12.3 kB."
std::string suggestion_text(const Census& census, const NarrowerFormats& group) {
  std::vector<const TensorCensus*> tensors;
  for (const auto index : group.tensors) tensors.push_back(&census.tensors[index]);
  return fmt::format("{}, stored as {}, {} in {} without loss: {} in place of {}.", list_classes(tensors), group.type,
                     tensors.size() == 1 ? "fits" : "fit", fmt::join(group.formats, " or "),
                     bytes_text(group.narrower_bytes), bytes_text(group.bytes));
}

Json suggestion_json(const Census& census, const NarrowerFormats& group) {
  Json json;
  json["type"] = group.type;
  json["formats"] = group.formats;
  json["bits"] = group.bits;
  json["tensors"] = Json::array();
  for (const auto index : group.tensors) json["tensors"].push_back(census.tensors[index].name);
  json["bytes"] = group.bytes;
  json["narrower_bytes"] = group.narrower_bytes;
  json["text"] = suggestion_text(census, group);
  return json;
}

std::string are(std::size_t count) { return count == 1 ? "is" : "are"; }

}  // namespace

Json to_json(const Census& census, const Provenance& provenance) {
  auto json = json_file("inspect", census.model, provenance);
  json["architecture"] = census.architecture;
  json["file_size"] = census.file_size;
  json["layers"] = census.layers;
  json["types"] = census.types;
  json["tensors"] = Json::array();
  for (const auto& tensor : census.tensors) {
    Json entry;
    entry["name"] = tensor.name;
    entry["type"] = tensor.type;
    entry["shape"] = tensor.shape;
    entry["elements"] = tensor.elements;
    entry["bytes"] = tensor.bytes;
    entry["layer"] = tensor.layer ? Json(*tensor.layer) : Json(nullptr);
    entry["low16_zero"] = tensor.low16_zero ? Json(*tensor.low16_zero) : Json(nullptr);
    entry["lossless_in"] = tensor.lossless_in;
    entry["mantissa_bits"] = tensor.mantissa_bits;
    entry["min"] = tensor.min;
    entry["max"] = tensor.max;
    entry["absmax"] = tensor.absmax;
    entry["mean"] = tensor.mean;
    entry["std"] = tensor.std;
    entry["zeros"] = tensor.zeros;
    entry["nans"] = tensor.nans;
    entry["infs"] = tensor.infs;
    entry["kurtosis"] = tensor.kurtosis;
    json["tensors"].push_back(std::move(entry));
  }
  json["suggestions"] = Json::array();
  for (const auto& group : narrower_formats(census)) json["suggestions"].push_back(suggestion_json(census, group));
  return json;
}

Table census_table(const Census& census) {
  Table table(
      {"tensor<", "type<", "shape", "low 16 bits zero", "mantissa bits", "lossless in<", "absmax", "mean", "std"});
  for (const auto& tensor : census.tensors) {
    table.add_row({tensor.name, tensor.type, shape_text(tensor.shape),
                   tensor.low16_zero ? percent_text(*tensor.low16_zero) : "",
                   fmt::format("{} of 23", tensor.mantissa_bits), fmt::format("{}", fmt::join(tensor.lossless_in, " ")),
                   value_text(tensor.absmax), value_text(tensor.mean), value_text(tensor.std)});
  }
  return table;
}

Table folded_census_table(const Census& census) {
  Table table({"tensors<", "count", "type<", "shape", "low 16 bits zero", "mantissa bits", "lossless in<", "absmax"});
  for (const auto& entry : fold_layers(census)) {
    std::string low16_zero;
    if (entry.low16_zero_min) {
      low16_zero = percent_text(*entry.low16_zero_min);
      if (*entry.low16_zero_min != *entry.low16_zero_max) low16_zero += " to " + percent_text(*entry.low16_zero_max);
    }
    table.add_row({entry.name, count_text(entry.tensors), entry.type, shape_text(entry.shape), low16_zero,
                   fmt::format("{} of 23", entry.mantissa_bits), fmt::format("{}", fmt::join(entry.lossless_in, " ")),
                   value_text(entry.absmax)});
  }
  return table;
}

std::vector<std::string> census_findings(const Census& census) {
  std::vector<const TensorCensus*> already, wider;
  for (const auto& tensor : census.tensors) {
    if (tensor.low16_zero) (is_bf16_already(tensor) ? already : wider).push_back(&tensor);
  }
  const auto total = already.size() + wider.size();
  std::vector<std::string> findings;
  if (total == 0) {
    findings.emplace_back("No tensor is stored as F32.");
  } else if (already.empty()) {
    findings.push_back(
        fmt::format("None of the {} stored as F32 is BF16 already: each has values that BF16 cannot hold ({}).",
                    plural(static_cast<std::int64_t>(total), "tensor"), list_classes(wider)));
  } else {
    findings.push_back(fmt::format(
        "{} of the {} stored as F32 {} BF16 already, every low half is zero: {}. Rounding {} to BF16 changes nothing.",
        already.size() == total ? "All" : fmt::format("{}", already.size()),
        plural(static_cast<std::int64_t>(total), "tensor"), are(already.size()), list_classes(already),
        already.size() == 1 ? "it" : "them"));
    if (!wider.empty()) {
      findings.push_back(fmt::format("{} {} more precision than BF16 holds: {}.", wider.size(),
                                     wider.size() == 1 ? "has" : "have", list_classes(wider)));
    }
  }
  for (const auto* tensor : wider) {
    if (*tensor->low16_zero >= 0.5) {
      findings.push_back(fmt::format("{} is mostly BF16: {} of its values have a zero low half.",
                                     printable(tensor->name), percent_text(*tensor->low16_zero)));
    }
  }
  for (const auto& group : narrower_formats(census)) findings.push_back(suggestion_text(census, group));
  for (const auto& tensor : census.tensors) {
    if (tensor.nans + tensor.infs > 0) {
      findings.push_back(fmt::format("{} holds {} and {}.", printable(tensor.name), plural(tensor.nans, "NaN"),
                                     plural(tensor.infs, "infinite value")));
    }
  }
  return findings;
}

std::string to_text(const Census& census, Layers layers) {
  std::vector<std::string> types;
  for (const auto& [type, count] : census.types) types.push_back(fmt::format("{} {}", count, type));
  std::string text =
      fmt::format("{}: {}, {}, {}, {} ({})\n\n{}\n", census.model,
                  census.architecture.empty() ? "no architecture named" : census.architecture,
                  plural(census.layers, "layer"), bytes_text(census.file_size),
                  plural(static_cast<std::int64_t>(census.tensors.size()), "tensor"), fmt::join(types, ", "),
                  (layers == Layers::folded ? folded_census_table(census) : census_table(census)).to_text());
  for (const auto& finding : census_findings(census)) text += finding + "\n";
  return text;
}

}  // namespace fakequant
