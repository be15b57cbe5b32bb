// A set of layers: all, some by number, the first or the last few.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fakequant {

struct LayerSet {
  struct All {
    bool operator==(const All&) const = default;
  };
  struct First {
    int count = 0;
    bool operator==(const First&) const = default;
  };
  struct Last {
    int count = 0;
    bool operator==(const Last&) const = default;
  };
  struct Range {
    int first = 0;
    int last = 0;  // inclusive
    bool operator==(const Range&) const = default;
  };

  std::variant<All, First, Last, std::vector<Range>> layers;

  bool is_all() const { return std::holds_alternative<All>(layers); }

  // Whether the set has this layer of a model with `layer_count` layers.
  bool contains(int layer, int layer_count) const;

  // The highest layer given by number; -1 if none is.
  int highest() const;

  bool operator==(const LayerSet&) const = default;
};

// Parses "all", "first:5", "last:5" or "a,b-c". Throws a usage error.
LayerSet parse_layers(std::string_view text);

// The text that parse_layers reads back to the same set.
std::string to_string(const LayerSet& layers);

}  // namespace fakequant
