#include "recipe/layer_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

[[noreturn]] void refuse_layers(std::string_view text) {
  throw usage_error(fmt::format("'{}' names no layers: write all, first:5, last:5 or numbers such as 0-4,10", text));
}

int parse_layer(std::string_view number, std::string_view whole) {
  const auto layer = number_of_text<int>(number);
  if (!layer || *layer < 0) refuse_layers(whole);
  return *layer;
}

LayerSet::Range parse_layer_range(std::string_view part, std::string_view whole) {
  const auto dash = part.find('-');
  if (dash == std::string_view::npos) {
    const int layer = parse_layer(part, whole);
    return {layer, layer};
  }
  const LayerSet::Range range{parse_layer(part.substr(0, dash), whole), parse_layer(part.substr(dash + 1), whole)};
  if (range.first > range.last) refuse_layers(whole);
  return range;
}

}  // namespace

bool LayerSet::contains(int layer, int layer_count) const {
  struct {
    int layer, layer_count;
    bool operator()(const All&) const { return true; }
    bool operator()(const First& first) const { return layer < first.count; }
    bool operator()(const Last& last) const { return layer >= layer_count - last.count; }
    bool operator()(const std::vector<Range>& ranges) const {
      return std::any_of(ranges.begin(), ranges.end(),
                         [&](const Range& range) { return range.first <= layer && layer <= range.last; });
    }
  } contains{layer, layer_count};
  return std::visit(contains, layers);
}

int LayerSet::highest() const {
  int highest = -1;
  if (const auto* ranges = std::get_if<std::vector<Range>>(&layers)) {
    for (const auto& range : *ranges) highest = std::max(highest, range.last);
  }
  return highest;
}

LayerSet parse_layers(std::string_view text) {
  if (text == "all") return {};
  if (text.starts_with("first:")) {
    const LayerSet::First first{parse_layer(text.substr(6), text)};
    if (first.count == 0) refuse_layers(text);
    return {first};
  }
  if (text.starts_with("last:")) {
    const LayerSet::Last last{parse_layer(text.substr(5), text)};
    if (last.count == 0) refuse_layers(text);
    return {last};
  }
  std::vector<LayerSet::Range> ranges;
  for (auto rest = text;;) {
    const auto comma = rest.find(',');
    ranges.push_back(parse_layer_range(rest.substr(0, comma), text));
    if (comma == std::string_view::npos) break;
    rest = rest.substr(comma + 1);
  }
  return {ranges};
}

std::string to_string(const LayerSet& layers) {
  struct {
    std::string operator()(const LayerSet::All&) const { return "all"; }
    std::string operator()(const LayerSet::First& first) const { return fmt::format("first:{}", first.count); }
    std::string operator()(const LayerSet::Last& last) const { return fmt::format("last:{}", last.count); }
    std::string operator()(const std::vector<LayerSet::Range>& ranges) const {
      std::string text;
      for (const auto& range : ranges) {
        if (!text.empty()) text += ',';
        text +=
            range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
      }
      return text;
    }
  } write;
  return std::visit(write, layers.layers);
}

}  // namespace fakequant
