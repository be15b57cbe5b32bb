#include "format/format_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "format/format_properties.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

// Names for elements whose values share scales in blocks.
struct BlockFormat {
  const char* name;
  Element element;
  Scale scale;
  std::int64_t block;
  std::int64_t subblock;
  ScaleType outer_scale;
  const char* source;
};

const std::vector<BlockFormat>& block_formats() {
  static const std::vector<BlockFormat> formats = [] {
    std::vector<BlockFormat> all;
    const auto add_mx = [&](const char* name, const Element& element) {
      all.push_back({name, element, *scale_of_name("e8m0"), 32, 0, ScaleType::none, "OCP MX v1.0"});
    };
    add_mx("mxfp8", *element_of("e4m3"));
    add_mx("mxfp8e5m2", *element_of("e5m2"));
    add_mx("mxfp6", *element_of("e3m2"));
    add_mx("mxfp6e2m3", *element_of("e2m3"));
    add_mx("mxfp4", *element_of("e2m1"));
    add_mx("mxint8", mxint8_element());
    // Bits of a value and its sign; a scale for 16 values, and a bit for each pair.
    const auto add_smx = [&](const char* name, int bits) {
      all.push_back({name, integer_element(bits), *scale_of_name("e8m0"), 16, 2, ScaleType::none,
                     "Rouhani et al., With Shared Microexponents (ISCA 2023)"});
    };
    add_smx("mx9", 8);
    add_smx("mx6", 5);
    add_smx("mx4", 3);
    all.push_back({"nvfp4", *element_of("e2m1"), *scale_of_name("e4m3"), 16, 0, ScaleType::f32,
                   "NVIDIA, Introducing NVFP4 (2025)"});
    return all;
  }();
  return formats;
}

const BlockFormat* find_block_format(std::string_view name) {
  const auto& formats = block_formats();
  const auto found =
      std::find_if(formats.begin(), formats.end(), [&](const auto& format) { return format.name == name; });
  return found == formats.end() ? nullptr : &*found;
}

constexpr std::string_view kLookup = "lookup:";
constexpr std::int64_t kNf4Block = 64;  // bitsandbytes' default

// The bits of "intN"; no value for any other name.
std::optional<int> integer_bits_of(std::string_view name) {
  constexpr std::string_view kInteger = "int";
  if (!name.starts_with(kInteger)) return std::nullopt;
  const auto bits = number_of_text<int>(name.substr(kInteger.size()));
  if (bits && (*bits < 2 || *bits > 16)) {
    throw usage_error(fmt::format("format {} is out of range: integers have 2 to 16 bits", name));
  }
  return bits;
}

// Names with a number or a file in them, as they are listed, and examples.
struct NumberedNames {
  const char* listed;
  std::vector<std::string> examples;
};

const std::vector<NumberedNames>& numbered_names() {
  static const std::vector<NumberedNames> names = {{"eXmY", {"e5m10", "e8m3"}},
                                                   {"mantissaN", {"mantissa7", "mantissa10"}},
                                                   {"int2..int16", {"int2", "int3", "int4", "int8", "int16"}},
                                                   {"lookup:FILE", {}}};
  return names;
}

}  // namespace

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const auto& element : named_elements()) names.push_back(element.name);
  for (const auto& numbered : numbered_names()) names.emplace_back(numbered.listed);
  names.emplace_back(nf4().name);
  for (const auto& format : block_formats()) names.emplace_back(format.name);
  for (const auto* type : block_types()) {
    const bool is_taken = std::find(names.begin(), names.end(), type->name) != names.end();
    names.push_back(is_taken ? fmt::format("{}:{}", type->library, type->name) : type->name);
  }
  return names;
}

std::vector<std::string> example_names() {
  std::vector<std::string> names;
  for (const auto& name : format_names()) {
    const auto& all = numbered_names();
    const auto numbered = std::find_if(all.begin(), all.end(), [&](const auto& other) { return name == other.listed; });
    if (numbered == all.end()) {
      names.push_back(name);
    } else {
      names.insert(names.end(), numbered->examples.begin(), numbered->examples.end());
    }
  }
  return names;
}

std::optional<Format> named_format(std::string_view name) {
  Format format;
  format.name = name;
  if (auto element = element_of(name)) {
    format.element = *std::move(element);
    return format;
  }
  if (const auto bits = integer_bits_of(name)) {
    format.element = integer_element(*bits);
    format.scale.type = ScaleType::f32;
    return format;
  }
  if (name == nf4().name) {
    format.element = codebook_element(nf4());
    format.scale.type = ScaleType::f32;
    format.per = Span::block;
    format.block = kNf4Block;
    return format;
  }
  if (name.starts_with(kLookup)) {
    const auto path = name.substr(kLookup.size());
    if (path.empty()) throw usage_error("lookup: names no file: write lookup:FILE, of one value on each line");
    if (path.find('\'') != std::string_view::npos) {
      throw usage_error(fmt::format("{} has a quote in it, which no rule can hold: rename the file", name));
    }
    format.element = codebook_element(codebook_of_file(std::string(path)));
    return format;
  }
  if (const auto* blocks = find_block_format(name)) {
    format.element = blocks->element;
    format.scale = blocks->scale;
    format.per = Span::block;
    format.block = blocks->block;
    format.subblock = blocks->subblock;
    format.outer_scale = blocks->outer_scale;
    return format;
  }
  if (const auto* type = find_block_type(name)) {
    format.element = {};
    format.block_type = type;
    return format;
  }
  return std::nullopt;
}

bool is_block_format_name(std::string_view name) { return find_block_format(name) != nullptr; }

std::string name_by_parts(const Format& format) {
  if (format.block_type != nullptr || !has_scale(format)) return format.name;
  for (const auto& blocks : block_formats()) {
    auto scale = format.scale;
    scale.rule = blocks.scale.rule;
    scale.least = blocks.scale.least;
    const bool is_it = format.element == blocks.element && scale == blocks.scale && format.per == Span::block &&
                       format.block == blocks.block && (blocks.subblock == 0 || format.subblock == blocks.subblock) &&
                       format.outer_scale == blocks.outer_scale;
    if (is_it) return blocks.name;
  }
  if (!is_block_format_name(format.name)) return format.name;
  return format.element == mxint8_element() ? format.name : format.element.name;
}

std::string source_of(const Format& format) {
  if (const auto* type = format.block_type) {
    return fmt::format("{}'s code{}", type->library, type->needs_importance ? "; needs imatrix=" : "");
  }
  const auto* blocks = find_block_format(format.name);
  return blocks != nullptr ? blocks->source : format.element.source;
}

}  // namespace fakequant
