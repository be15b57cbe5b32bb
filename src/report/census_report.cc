#include "report/census_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "report/census_classes.h"
#include "report/layer_names.h"
#include "report/numbers.h"
#include "report/printable_text.h"
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

// Integers have no mantissa.
std::string mantissa_text(int bits, int width) { return width == 0 ? "" : fmt::format("{} of {}", bits, width); }

std::string lossless_text(const std::vector<std::string>& formats, int width) {
  return width == 0 ? "integers" : fmt::format("{}", fmt::join(formats, " "));
}

// Tensors of one kind in several layers, of which one sentence speaks.
struct Alike {
  std::string pattern;
  std::vector<const TensorCensus*> tensors;

  // "blk.0-5,7.ffn_norm.weight"
  std::string name() const {
    std::vector<int> layers;
    for (const auto* tensor : tensors) {
      if (tensor->layer) layers.push_back(*tensor->layer);
    }
    std::sort(layers.begin(), layers.end());
    return printable(with_layers(pattern, layers));
  }
};

// In the order of their first tensors.
std::vector<Alike> by_kind(const std::vector<const TensorCensus*>& tensors) {
  std::vector<Alike> kinds;
  for (const auto* tensor : tensors) {
    const auto pattern = layer_pattern(tensor->name);
    auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const Alike& other) { return other.pattern == pattern; });
    if (kind == kinds.end()) kind = kinds.insert(kind, {pattern, {}});
    kind->tensors.push_back(tensor);
  }
  return kinds;
}

// "rope_freqs.weight is mostly BF16: 90.625 % of its values have a zero low half."
std::string mostly_text(const Alike& kind) {
  double low = 1, high = 0;
  for (const auto* tensor : kind.tensors) {
    low = std::min(low, *tensor->low16_zero);
    high = std::max(high, *tensor->low16_zero);
  }
  const bool is_one = kind.tensors.size() == 1;
  return fmt::format("{} {} mostly BF16: {} of {} values have a zero low half.", kind.name(), is_one ? "is" : "are",
                     low == high ? percent_text(low) : percent_text(low) + " to " + percent_text(high),
                     is_one ? "its" : "their");
}

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
    entry["low16_zero_minus_1"] = tensor.low16_zero_minus_1 ? Json(*tensor.low16_zero_minus_1) : Json(nullptr);
    entry["integer"] = tensor.is_integer;
    entry["mantissa_bits"] = tensor.is_integer ? Json(nullptr) : Json(tensor.mantissa_bits);
    entry["mantissa_width"] = tensor.is_integer ? Json(nullptr) : Json(tensor.mantissa_width);
    entry["min"] = tensor.integer_min ? Json(*tensor.integer_min) : Json(tensor.min);
    entry["max"] = tensor.integer_max ? Json(*tensor.integer_max) : Json(tensor.max);
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
                   mantissa_text(tensor.mantissa_bits, tensor.mantissa_width),
                   lossless_text(tensor.lossless_in, tensor.mantissa_width), value_text(tensor.absmax),
                   value_text(tensor.mean), value_text(tensor.std)});
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
                   mantissa_text(entry.mantissa_bits, entry.mantissa_width),
                   lossless_text(entry.lossless_in, entry.mantissa_width), value_text(entry.absmax)});
  }
  return table;
}

std::vector<std::string> census_findings(const Census& census) {
  std::vector<const TensorCensus*> already, shifted, wider;
  for (const auto& tensor : census.tensors) {
    if (!tensor.low16_zero) continue;
    (is_bf16_already(tensor) ? already : is_bf16_but_for_1(tensor) ? shifted : wider).push_back(&tensor);
  }
  const auto total = already.size() + shifted.size() + wider.size();
  std::vector<std::string> findings;
  if (total == 0) {
    findings.emplace_back("No tensor is stored as F32.");
  } else if (already.empty() && shifted.empty()) {
    findings.push_back(
        fmt::format("None of the {} stored as F32 is BF16 already: each has values that BF16 cannot hold ({}).",
                    plural(static_cast<std::int64_t>(total), "tensor"), list_classes(wider)));
  } else if (!already.empty()) {
    findings.push_back(fmt::format(
        "{} of the {} stored as F32 {} BF16 already, every low half is zero: {}. Rounding {} to BF16 changes nothing.",
        already.size() == total ? "All" : fmt::format("{}", already.size()),
        plural(static_cast<std::int64_t>(total), "tensor"), are(already.size()), list_classes(already),
        already.size() == 1 ? "it" : "them"));
  }
  if (!shifted.empty()) {
    findings.push_back(fmt::format(
        "{} of the {} stored as F32 {} BF16 after subtracting the converter's 1: {}. The converter adds 1 to the norms "
        "of {}; as stored, rounding to BF16 changes them.",
        shifted.size() == total ? "All" : fmt::format("{}", shifted.size()),
        plural(static_cast<std::int64_t>(total), "tensor"), are(shifted.size()), list_classes(shifted),
        printable(census.architecture)));
  }
  if (!wider.empty() && wider.size() != total) {
    findings.push_back(fmt::format("{} {} more precision than BF16 holds: {}.", wider.size(),
                                   wider.size() == 1 ? "has" : "have", list_classes(wider)));
  }
  std::erase_if(wider, [](const TensorCensus* tensor) { return *tensor->low16_zero < 0.5; });
  for (const auto& kind : by_kind(wider)) findings.push_back(mostly_text(kind));
  for (const auto& group : narrower_formats(census)) findings.push_back(suggestion_text(census, group));
  std::vector<const TensorCensus*> not_finite;
  for (const auto& tensor : census.tensors) {
    if (tensor.nans + tensor.infs > 0) not_finite.push_back(&tensor);
  }
  for (const auto& kind : by_kind(not_finite)) {
    std::int64_t nans = 0, infs = 0;
    for (const auto* tensor : kind.tensors) {
      nans += tensor->nans;
      infs += tensor->infs;
    }
    findings.push_back(fmt::format("{} {} {} and {}.", kind.name(), kind.tensors.size() == 1 ? "holds" : "hold",
                                   plural(nans, "NaN"), plural(infs, "infinite value")));
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
