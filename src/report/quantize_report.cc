#include "report/quantize_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "gguf/gguf_file.h"
#include "report/numbers.h"
#include "report/printable_text.h"
#include "report/table.h"

namespace fakequant {
namespace {

// The tensors of a type.
struct TypeTotal {
  std::string type;
  std::int64_t tensors = 0, elements = 0;
  std::uint64_t bytes = 0;
};

double bits_per_value(std::uint64_t bytes, std::int64_t elements) {
  return elements == 0 ? 0 : static_cast<double>(bytes) * 8 / static_cast<double>(elements);
}

// The type of most bytes first.
std::vector<TypeTotal> totals_of(const QuantizeResult& result) {
  std::map<std::string, TypeTotal> totals;
  for (const auto& tensor : result.tensors) {
    auto& total = totals[tensor.stored_as];
    total.type = tensor.stored_as;
    ++total.tensors;
    total.elements += tensor.elements;
    total.bytes += tensor.bytes;
  }
  std::vector<TypeTotal> sorted;
  for (const auto& [type, total] : totals) sorted.push_back(total);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return sorted;
}

// "blk.*.attn_q.weight, blk.*.attn_v.weight" of the tensors that have a property.
template <typename Property>
std::string kinds_of(const QuantizeResult& result, const Property& property) {
  std::set<std::string> kinds;
  for (const auto& tensor : result.tensors) {
    if (property(tensor)) kinds.insert(printable(layer_pattern(tensor.name)));
  }
  return fmt::format("{}", fmt::join(kinds, ", "));
}

template <typename Property>
std::int64_t count_of(const QuantizeResult& result, const Property& property) {
  return std::count_if(result.tensors.begin(), result.tensors.end(), property);
}

// "q4_k" of "q4_k,imatrix=im.gguf".
std::string name_of_format(const std::string& format) { return format.substr(0, format.find(',')); }

// "180 tensors have rows that ... do not divide", a line for each pair of types.
std::string fallbacks_text(const QuantizeResult& result) {
  std::map<std::pair<std::string, std::string>, std::int64_t> counts;
  for (const auto& tensor : result.tensors) {
    if (tensor.is_fallback) ++counts[{name_of_format(tensor.format), tensor.stored_as}];
  }
  std::string text;
  for (const auto& [types, count] : counts) {
    const auto is_one = [&, pair = types](const QuantizedTensor& tensor) {
      return tensor.is_fallback && name_of_format(tensor.format) == pair.first && tensor.stored_as == pair.second;
    };
    text += fmt::format("Rows of {} are no multiple of {}'s block, so {} took {}, as in llama-quantize: {}.\n",
                        plural(count, "tensor"), types.first, count == 1 ? "it" : "they", types.second,
                        kinds_of(result, is_one));
  }
  return text;
}

}  // namespace

Json to_json(const QuantizeResult& result, Written written, const Provenance& provenance) {
  auto json = json_file("quantize", result.model, provenance);
  json["written"] = written == Written::yes;
  json["output"] = result.outputs.front();
  json["outputs"] = result.outputs;
  json["output_size"] = result.output_size;
  json["model_size"] = result.model_size;
  json["bits_per_weight"] = result.bits_per_weight();
  json["file_type"] = result.file_type;
  json["mix"] = text_or_null(result.mix);
  json["recipe"] = result.recipe;
  json["imatrix"] = text_or_null(result.importance_file);
  json["types"] = Json::array();
  for (const auto& total : totals_of(result)) {
    json["types"].push_back(
        {{"type", total.type}, {"tensors", total.tensors}, {"elements", total.elements}, {"bytes", total.bytes}});
  }
  json["tensors"] = Json::array();
  for (const auto& tensor : result.tensors) {
    Json entry;
    entry["name"] = tensor.name;
    entry["type"] = tensor.type;
    entry["stored_as"] = tensor.stored_as;
    entry["format"] = text_or_null(tensor.format);
    entry["elements"] = tensor.elements;
    entry["bytes"] = tensor.bytes;
    entry["fallback"] = tensor.is_fallback;
    entry["fake"] = tensor.is_fake;
    entry["lacks_importance"] = tensor.lacks_importance;
    json["tensors"].push_back(std::move(entry));
  }
  return json;
}

std::string to_text(const QuantizeResult& result, Written written) {
  Table table({"type<", "tensors", "values", "size", "bits per weight"});
  std::uint64_t bytes = 0;
  for (const auto& total : totals_of(result)) {
    bytes += total.bytes;
    table.add_row({total.type, count_text(total.tensors), count_text(total.elements), bytes_text(total.bytes),
                   fmt::format("{:.3f}", bits_per_value(total.bytes, total.elements))});
  }
  table.add_row({"all", count_text(static_cast<std::int64_t>(result.tensors.size())), count_text(result.elements()),
                 bytes_text(bytes), fmt::format("{:.3f}", result.bits_per_weight())});
  auto text = table.to_text() + "\n" + fallbacks_text(result);
  const auto lacks = [](const QuantizedTensor& tensor) { return tensor.lacks_importance; };
  if (const auto count = count_of(result, lacks); count > 0) {
    text += fmt::format("The importance matrix lacks {}, quantized without it, as llama-quantize does: {}.\n",
                        plural(count, "tensor"), kinds_of(result, lacks));
  }
  const auto is_fake = [](const QuantizedTensor& tensor) { return tensor.is_fake; };
  if (const auto count = count_of(result, is_fake); count > 0) {
    text += fmt::format("No type holds the format of {}, kept rounded in {} old type: {}.\n", plural(count, "tensor"),
                        count == 1 ? "its" : "their", kinds_of(result, is_fake));
  }
  std::vector<std::string> outputs;
  for (const auto& output : result.outputs) outputs.push_back(printable(output));
  return text + fmt::format("{}: {}{} bytes ({}), {:.1f} % of the model's.\n", fmt::join(outputs, ", "),
                            written == Written::yes ? "" : "not written, would take ",
                            count_text(static_cast<std::int64_t>(result.output_size)), bytes_text(result.output_size),
                            100 * static_cast<double>(result.output_size) / static_cast<double>(result.model_size));
}

}  // namespace fakequant
