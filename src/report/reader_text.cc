#include "report/reader_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/graph.h"
#include "gguf/gguf_file.h"
#include "recipe/site_match.h"
#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {
namespace {

std::string reader_text(const Reader& reader) {
  if (!reader.weight.empty()) {
    const auto word = weight_word(reader.weight, layer_of_tensor(reader.weight));
    return printable(word.empty() ? reader.weight : word);
  }
  if (!is_given_name(reader.node)) return reader.operation;
  if (reader.node.starts_with("cache_")) return fmt::format("cache ({})", reader.operation);
  return fmt::format("{} ({})", printable(node_word(reader.node)), reader.operation);
}

// F32, which means no rounding, only beside other types: where one product rounds and another does not.
std::vector<std::string> kernel_types(const std::vector<Reader>& readers) {
  const bool is_rounded =
      std::any_of(readers.begin(), readers.end(), [](const Reader& reader) { return reader.rounds_to != "F32"; });
  std::vector<std::string> types;
  for (const auto& reader : readers) {
    if (reader.rounds_to == "F32" && (reader.weight.empty() || !is_rounded)) continue;
    const auto type = reader.rounds_to.empty() ? std::string("?") : reader.rounds_to;
    if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
  }
  return types;
}

}  // namespace

std::string readers_text(const std::vector<Reader>& readers) {
  std::vector<std::string> texts;
  for (const auto& reader : readers) {
    const auto text = reader_text(reader);
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string kernels_text(const std::vector<Reader>& readers) {
  return fmt::format("{}", fmt::join(kernel_types(readers), ", "));
}

Json readers_json(const std::vector<Reader>& readers) {
  auto json = Json::array();
  for (const auto& reader : readers) {
    json.push_back({{"node", reader.node},
                    {"operation", reader.operation},
                    {"weight", text_or_null(reader.weight)},
                    {"rounds_to", text_or_null(reader.rounds_to)}});
  }
  return json;
}

Json kernels_json(const std::vector<Reader>& readers) { return kernel_types(readers); }

}  // namespace fakequant
