#include "format/format_options.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "error.h"
#include "format/format_names.h"
#include "format/format_properties.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr auto kSpanWords = std::to_array<Word<Span>>(
    {{"tensor", Span::tensor}, {"token", Span::token}, {"row", Span::row}, {"block", Span::block}});
constexpr auto kModeWords = std::to_array<Word<bool>>({{"sym", false}, {"asym", true}});
constexpr auto kCodesWords = std::to_array<Word<IntegerCodes>>(
    {{"narrow", IntegerCodes::narrow}, {"full", IntegerCodes::full}, {"full-positive", IntegerCodes::full_positive}});
constexpr auto kOuterWords = std::to_array<Word<ScaleType>>({{"none", ScaleType::none}, {"f32", ScaleType::f32}});
constexpr auto kFitWords =
    std::to_array<Word<Fit>>({{"absmax", Fit::absmax}, {"four-over-six", Fit::four_over_six}, {"gptq", Fit::gptq}});
constexpr auto kOrderWords =
    std::to_array<Word<ColumnOrder>>({{"natural", ColumnOrder::natural}, {"activation", ColumnOrder::activation}});
constexpr auto kArithmeticWords = std::to_array<Word<ScaleArithmetic>>({{"division", ScaleArithmetic::division},
                                                                        {"reciprocal", ScaleArithmetic::reciprocal},
                                                                        {"factor", ScaleArithmetic::factor}});
constexpr auto kOverflowWords = std::to_array<Word<bool>>({{"infinity", false}, {"saturate", true}});

// The value of a key whose words are in a table.
template <typename Value, std::size_t count>
Value value_of_option(const WordTable<Value, count>& words, const FormatOption& option) {
  if (const auto value = value_of_word(words, option.value)) return *value;
  throw usage_error(fmt::format("unknown {0}={1}: {0}= takes {2}", option.key, option.value, list_of_words(words)));
}

// The name of a file that an option names, given as OPTION=VALUE.
std::string file_of_option(std::string_view option, std::string_view value, std::string_view file) {
  if (file.empty()) {
    const auto* advice = value.starts_with(':') ? "{0}={1} names no file: write {0}=FILE{1}"
                                                : "{0}={1} names no file: write {0}={1}FILE";
    throw usage_error(fmt::format(fmt::runtime(advice), option, value));
  }
  if (file.find('\'') != std::string_view::npos) {
    throw usage_error(fmt::format("{}={} has a quote in it, which no rule can hold: rename the file", option, value));
  }
  return std::string(file);
}

std::int64_t block_of_option(const FormatOption& option) {
  const auto block = number_of_text<std::int64_t>(option.value);
  if (block && *block >= 1) return *block;
  throw usage_error(fmt::format("bad block={}: block= takes a whole number from 1", option.value));
}

std::int64_t subblock_of_option(const FormatOption& option) {
  if (option.value == "none") return 0;
  const auto values = number_of_text<std::int64_t>(option.value);
  if (values && *values >= 1) return *values;
  throw usage_error(fmt::format("bad subblock={}: subblock= takes none or a whole number from 1", option.value));
}

// "RxC".
TileSize tile_of_option(const FormatOption& option) {
  const std::string_view text = option.value;
  const auto cross = text.find('x');
  if (cross != std::string_view::npos) {
    const auto rows = number_of_text<std::int64_t>(text.substr(0, cross));
    const auto columns = number_of_text<std::int64_t>(text.substr(cross + 1));
    if (rows && columns && *rows >= 1 && *columns >= 1) return {*rows, *columns};
  }
  throw usage_error(fmt::format("bad tile={}: tile= takes ROWSxCOLUMNS, such as 128x128", text));
}

// "TYPE[:RULE]", or the rule alone where the scale is E8M0's already.
Scale scale_of_option(const Format& format, const FormatOption& option) {
  const std::string_view text = option.value;
  const auto colon = text.find(':');
  const auto rule_of = [&](std::string_view word) -> std::optional<ScaleRule> {
    return value_of_word(kScaleRuleWords, word);
  };
  if (const auto rule = rule_of(text); rule && format.scale.type == ScaleType::e8m0) {
    auto scale = format.scale;
    scale.rule = *rule;
    return scale;
  }
  auto scale = scale_of_name(text.substr(0, colon));
  const bool has_rule = colon != std::string_view::npos;
  const auto rule = has_rule ? rule_of(text.substr(colon + 1)) : ScaleRule::floor;
  if (!scale || !rule) {
    throw usage_error(
        fmt::format("unknown scale={}: scale= takes f32, f16, bf16, e4m3, another eXmY, ueXmY, or e8m0[:RULE] with {}",
                    text, list_of_words(kScaleRuleWords)));
  }
  if (has_rule && scale->type != ScaleType::e8m0) {
    throw usage_error(fmt::format("scale={}: rules are for powers of two, scale=e8m0:RULE", text));
  }
  scale->rule = *rule;
  return *scale;
}

std::string text_of_scale(const Format& format) {
  if (format.scale.type == ScaleType::none) return "f32";  // what per= gives a float
  const auto rule = word_of_value(kScaleRuleWords, format.scale.rule);
  if (format.scale.type != ScaleType::e8m0) return name_of(format.scale);
  if (is_block_format_name(format.name)) return std::string(rule);
  return format.scale.rule == ScaleRule::floor ? "e8m0" : fmt::format("e8m0:{}", rule);
}

// The block of "hadamard[:N]" and "random:SEED[:N]".
std::int64_t rotated_block_of(const FormatOption& option, std::string_view text) {
  const auto block = number_of_text<std::int64_t>(text);
  if (block && *block >= 2 && *block <= kLargestRotation && (*block & (*block - 1)) == 0) return *block;
  throw usage_error(
      fmt::format("bad rotate={}: blocks are a power of two from 2 to {}", option.value, kLargestRotation));
}

Rotation rotation_of_option(const FormatOption& option) {
  const std::string_view text = option.value;
  const auto colon = text.find(':');
  const auto word = text.substr(0, colon);
  const bool has_more = colon != std::string_view::npos;
  const auto more = has_more ? text.substr(colon + 1) : std::string_view();
  if (word == "none" && !has_more) return {};
  if (word == "hadamard") return {Rotation::hadamard, has_more ? rotated_block_of(option, more) : 0, 0};
  if (word == "random") {
    const auto second = more.find(':');
    const auto block = second == std::string_view::npos ? 0 : rotated_block_of(option, more.substr(second + 1));
    if (const auto seed = number_of_text<std::uint64_t>(more.substr(0, second))) {
      return {Rotation::random, block, *seed};
    }
  }
  throw usage_error(fmt::format(
      "unknown rotate={}: rotate= takes none, hadamard[:N] or random:SEED[:N], with blocks of N values and a "
      "seed from 0 to 2^64 - 1",
      text));
}

std::string text_of_rotation(const Format& format) {
  const auto& rotation = format.rotation;
  const auto block = rotation.block == 0 ? "" : fmt::format(":{}", rotation.block);
  switch (rotation.kind) {
    case Rotation::none:
      return "none";
    case Rotation::hadamard:
      return "hadamard" + block;
    case Rotation::random:
      return fmt::format("random:{}{}", rotation.seed, block);
  }
  return {};
}

// "FILE:ALPHA".
Smoothing smoothing_of_option(const FormatOption& option) {
  const std::string_view text = option.value;
  const auto colon = text.rfind(':');
  const auto alpha = colon == std::string_view::npos ? std::nullopt : number_of_text<double>(text.substr(colon + 1));
  if (!alpha || !(*alpha >= 0 && *alpha <= 1)) {
    throw usage_error(fmt::format("bad smooth={}: write smooth=FILE:ALPHA with ALPHA from 0 to 1, such as 0.5", text));
  }
  return {file_of_option(option.key, text, text.substr(0, colon)), *alpha};
}

std::uint64_t seed_of_option(const FormatOption& option) {
  if (const auto seed = number_of_text<std::uint64_t>(option.value)) return *seed;
  throw usage_error(fmt::format("bad seed={}: seed= takes a whole number from 0 to 2^64 - 1", option.value));
}

int margin_of_option(const FormatOption& option) {
  const auto margin = number_of_text<int>(option.value);
  if (margin && *margin >= 0 && *margin <= kLargestMargin) return *margin;
  throw usage_error(
      fmt::format("bad margin={}: margin= takes a whole number from 0 to {}", option.value, kLargestMargin));
}

double damping_of_option(const FormatOption& option) {
  const auto damping = number_of_text<double>(option.value);
  if (damping && *damping > 0 && *damping <= 1) return *damping;
  throw usage_error(fmt::format("bad damping={}: damping= takes a number above 0 and at most 1", option.value));
}

bool is_rounded_here(const Format& format) { return format.block_type == nullptr; }
bool is_integer(const Format& format) {
  return is_rounded_here(format) && format.element.is_fixed_point() && format.element != mxint8_element();
}
bool is_in_blocks(const Format& format) { return is_block_format_name(format.name); }

// Whether values may share a scale. Those with float32's exponents need none.
bool can_be_scaled(const Format& format) { return is_rounded_here(format) && format.element.exponent_bits < 8; }
bool can_have_span(const Format& format) { return can_be_scaled(format) && !is_in_blocks(format); }
bool can_have_range(const Format& format) {
  return can_be_scaled(format) && (!is_in_blocks(format) || finds_range(format));
}
bool can_be_scaled_float(const Format& format) { return can_be_scaled(format) && !format.element.is_fixed_point(); }
bool is_scaled_grid(const Format& format) { return can_be_scaled_float(format) && !is_codebook(format); }
// Codebooks take the nearest value alone.
bool can_be_directed(const Format& format) { return is_rounded_here(format) && !is_codebook(format); }

constexpr auto kOneRange = "range= and outer=static:FILE both say what the outermost scale is found from: keep one";

void set_range(Format& format, const FormatOption& option) {
  if (needs_range_file(format)) throw usage_error(kOneRange);
  format.range = parse_range(option.value);
}

// static:FILE is short for f32 with range=static:FILE.
void set_outer_scale(Format& format, const FormatOption& option) {
  if (!option.value.starts_with("static:")) {
    format.outer_scale = value_of_option(kOuterWords, option);
    return;
  }
  if (format.range != RangeRule()) throw usage_error(kOneRange);
  format.range = parse_range(option.value);
  format.outer_scale = ScaleType::f32;
}

struct OptionRule {
  std::string_view key;
  bool (*applies)(const Format&);
  void (*set)(Format&, const FormatOption&);
  std::string (*print)(const Format&);
};

// In the order in which options are printed.
constexpr OptionRule kOptionRules[] = {
    {"per", can_have_span,
     [](Format& format, const FormatOption& option) { format.per = value_of_option(kSpanWords, option); },
     [](const Format& format) {
       // A static range implies the span.
       const bool is_implied = !format.per || format.per == Span::tile ||
                               (has_static_range(format) && format.outer_scale == ScaleType::none);
       return std::string(is_implied ? "" : word_of_value(kSpanWords, *format.per));
     }},
    {"tile", can_have_span, [](Format& format, const FormatOption& option) { format.tile = tile_of_option(option); },
     [](const Format& format) {
       return format.tile == TileSize() ? "" : fmt::format("{}x{}", format.tile.rows, format.tile.columns);
     }},
    {"block", can_be_scaled, [](Format& format, const FormatOption& option) { format.block = block_of_option(option); },
     [](const Format& format) { return std::to_string(format.block); }},
    {"mode", is_integer,
     [](Format& format, const FormatOption& option) { format.asymmetric = value_of_option(kModeWords, option); },
     [](const Format& format) { return std::string(word_of_value(kModeWords, format.asymmetric)); }},
    {"codes", is_integer,
     [](Format& format, const FormatOption& option) { format.codes = value_of_option(kCodesWords, option); },
     [](const Format& format) { return std::string(word_of_value(kCodesWords, format.codes)); }},
    {"range", can_have_range, set_range, [](const Format& format) { return to_string(format.range); }},
    {"scale", can_be_scaled,
     [](Format& format, const FormatOption& option) {
       const auto least = format.scale.least;
       format.scale = scale_of_option(format, option);
       format.scale.least = least;
     },
     text_of_scale},
    {"least", can_be_scaled,
     [](Format& format, const FormatOption& option) { format.scale.least = value_of_option(kLeastScaleWords, option); },
     [](const Format& format) { return std::string(word_of_value(kLeastScaleWords, format.scale.least)); }},
    {"subblock", can_be_scaled,
     [](Format& format, const FormatOption& option) { format.subblock = subblock_of_option(option); },
     [](const Format& format) { return format.subblock == 0 ? "none" : std::to_string(format.subblock); }},
    {"outer", can_be_scaled_float, set_outer_scale,
     [](const Format& format) { return std::string(word_of_value(kOuterWords, format.outer_scale)); }},
    {"fit", is_rounded_here,
     [](Format& format, const FormatOption& option) { format.fit = value_of_option(kFitWords, option); },
     [](const Format& format) { return std::string(word_of_value(kFitWords, format.fit)); }},
    {"hessian", is_rounded_here,
     [](Format& format, const FormatOption& option) {
       format.gptq.hessian_file = file_of_option(option.key, option.value, option.value);
     },
     [](const Format& format) { return format.gptq.hessian_file; }},
    {"order", is_rounded_here,
     [](Format& format, const FormatOption& option) { format.gptq.order = value_of_option(kOrderWords, option); },
     [](const Format& format) { return std::string(word_of_value(kOrderWords, format.gptq.order)); }},
    {"damping", is_rounded_here,
     [](Format& format, const FormatOption& option) { format.gptq.damping = damping_of_option(option); },
     [](const Format& format) { return fmt::format("{}", format.gptq.damping); }},
    {"arithmetic", is_scaled_grid,
     [](Format& format, const FormatOption& option) { format.arithmetic = value_of_option(kArithmeticWords, option); },
     [](const Format& format) { return std::string(word_of_value(kArithmeticWords, format.arithmetic)); }},
    {"margin", is_scaled_grid,
     [](Format& format, const FormatOption& option) { format.margin = margin_of_option(option); },
     [](const Format& format) { return std::to_string(format.margin); }},
    {"rotate", [](const Format&) { return true; },
     [](Format& format, const FormatOption& option) { format.rotation = rotation_of_option(option); },
     text_of_rotation},
    {"smooth", [](const Format&) { return true; },
     [](Format& format, const FormatOption& option) { format.smoothing = smoothing_of_option(option); },
     [](const Format& format) {
       return is_smoothed(format) ? fmt::format("{}:{}", format.smoothing.file, format.smoothing.alpha) : "";
     }},
    {"awq", [](const Format&) { return true; },
     [](Format& format, const FormatOption& option) {
       format.awq_file = file_of_option(option.key, option.value, option.value);
     },
     [](const Format& format) { return format.awq_file; }},
    {"overflow",
     [](const Format& format) { return is_rounded_here(format) && !has_scale(format) && format.element.has_infinity; },
     [](Format& format, const FormatOption& option) { format.saturate = value_of_option(kOverflowWords, option); },
     [](const Format& format) { return std::string(word_of_value(kOverflowWords, format.saturate)); }},
    {"round", can_be_directed,
     [](Format& format, const FormatOption& option) { format.rounding = value_of_option(kRoundingWords, option); },
     [](const Format& format) { return to_string(format.rounding); }},
    {"seed", can_be_directed, [](Format& format, const FormatOption& option) { format.seed = seed_of_option(option); },
     [](const Format& format) { return std::to_string(format.seed); }},
    {"imatrix", [](const Format& format) { return !is_rounded_here(format); },
     [](Format& format, const FormatOption& option) {
       format.importance_file = file_of_option(option.key, option.value, option.value);
     },
     [](const Format& format) { return format.importance_file; }},
};

}  // namespace

std::vector<std::string> option_keys(const Format& format) {
  std::vector<std::string> keys;
  for (const auto& rule : kOptionRules) {
    if (rule.applies(format)) keys.emplace_back(rule.key);
  }
  return keys;
}

void set_option(Format& format, const FormatOption& option) {
  for (const auto& rule : kOptionRules) {
    if (rule.key == option.key) rule.set(format, option);
  }
}

std::vector<FormatOption> changed_options(const Format& format, const Format& plain) {
  std::vector<FormatOption> options;
  for (const auto& rule : kOptionRules) {
    if (!rule.applies(format)) continue;
    auto value = rule.print(format);
    // An empty one is implied by another option.
    if (!value.empty() && value != rule.print(plain)) options.push_back({std::string(rule.key), std::move(value)});
  }
  return options;
}

RangeRule parse_range(std::string_view text) {
  constexpr std::string_view kPercentile = "percentile:", kStatic = "static:";
  if (text == "absmax") return {};
  if (text == "mse") return {RangeRule::mse, 100};
  if (text == "output") return {RangeRule::output, 100};
  if (text == "static") return {.kind = RangeRule::static_range};
  if (text.starts_with(kPercentile)) {
    const auto percent = number_of_text<double>(text.substr(kPercentile.size()));
    if (percent && *percent > 0 && *percent <= 100) return {RangeRule::percentile, *percent};
  }
  if (text.starts_with(kStatic)) {
    return {RangeRule::static_range, 100, file_of_option("range", text, text.substr(kStatic.size()))};
  }
  const auto magnitude = number_of_text<float>(text);
  if (magnitude && *magnitude > 0 && std::isfinite(*magnitude)) {
    return {.kind = RangeRule::number, .magnitude = *magnitude};
  }
  throw usage_error(fmt::format(
      "unknown range={}: range= takes absmax, mse, output with hessian=, percentile:P with P above 0 and at "
      "most 100, static:FILE, static with smooth=, or a number above 0",
      text));
}

std::string to_string(const RangeRule& range) {
  switch (range.kind) {
    case RangeRule::absmax:
      return "absmax";
    case RangeRule::percentile:
      return fmt::format("percentile:{}", range.percent);
    case RangeRule::mse:
      return "mse";
    case RangeRule::output:
      return "output";
    case RangeRule::static_range:
      return range.file.empty() ? "static" : "static:" + range.file;
    case RangeRule::number:
      return fmt::format("{}", range.magnitude);
  }
  return {};
}

}  // namespace fakequant
