// The C interface of the formats, include/fakequant/fakequant.h: no exception leaves it, and each failure leaves its
// line for the calling thread.
#include <fakequant/fakequant.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"
#include "format/array_rounding.h"
#include "format/format_facts.h"
#include "format/format_names.h"
#include "format/format_properties.h"
#include "format/scale.h"
#include "version.h"

struct fakequant_format {
  fakequant::ArrayFormat format;
  std::string text;
  fakequant::FormatFacts facts;
  fakequant_facts view;  // of facts, for C
};

namespace fakequant {
namespace {

// Of a fixed size: a line can be left behind also where memory is exhausted.
thread_local std::array<char, 2048> last_error{};

void leave_behind(std::string_view line) noexcept {
  const auto end = std::copy_n(line.begin(), std::min(line.size(), last_error.size() - 1), last_error.begin());
  *end = '\0';
}

// Returns work(), or `failed` where it throws.
template <typename Result, typename Work>
Result without_exceptions(Result failed, const Work& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    leave_behind("memory is exhausted");
  } catch (const std::exception& error) {
    leave_behind(error.what());
  } catch (...) {
    leave_behind("an unknown failure");
  }
  return failed;
}

void require(bool is_given, const char* what) {
  if (!is_given) throw usage_error(fmt::format("{} is NULL: pass one", what));
}

// Whether a name is of the form of ggml's types: "q4_k", "iq3_xxs", "tq1_0", "ggml:mxfp4". This library has no list.
bool is_like_ggml_type(std::string_view name) {
  if (name.starts_with("ggml:")) return true;
  const auto q = name.find('q');
  if (q > 1 || (q == 1 && name[0] != 'i' && name[0] != 't')) return false;
  const auto rest = name.substr(q + 1);
  return rest.size() > 2 && std::isdigit(static_cast<unsigned char>(rest[0])) != 0 && rest[1] == '_';
}

Format parse_held(std::string_view text) {
  const auto name = pieces_of(text).front();
  if (is_like_ggml_type(name)) {
    throw usage_error(
        fmt::format("{} is a type of ggml, which ggml's own code rounds to, and this library is without it: take "
                    "another format, or round by the program fakequant",
                    name));
  }
  return parse_format(text);
}

const std::vector<std::string>& listed_names() {
  static const auto names = format_names();
  return names;
}

fakequant_facts view_of(const FormatFacts& facts) {
  constexpr auto kNone = std::numeric_limits<double>::quiet_NaN();
  return {.bits = facts.bits,
          .largest = facts.largest.value_or(kNone),
          .smallest_normal = facts.smallest_normal.value_or(kNone),
          .smallest_subnormal = facts.smallest_subnormal.value_or(kNone),
          .steps = facts.steps.value_or(0),
          .codes = facts.codes.c_str(),
          .specials = facts.specials.c_str(),
          .scale = facts.scale.c_str(),
          .rotation = facts.rotation.c_str(),
          .source = facts.source.c_str()};
}

// The whole numbers that codes count scales with.
struct WholeCodes {
  std::int64_t low = 0, high = 0;
};

// No value for formats whose codes are no whole numbers.
std::optional<WholeCodes> whole_codes(const Format& format) {
  if (!has_integer_scale(format)) return std::nullopt;
  if (format.asymmetric) return WholeCodes{0, (std::int64_t{1} << format.element.bits()) - 1};
  const auto codes = integer_scale(format, {});
  return WholeCodes{static_cast<std::int64_t>(codes.low), static_cast<std::int64_t>(codes.high)};
}

std::int64_t code_count(const Format& format) {
  if (const auto codes = whole_codes(format)) return codes->high - codes->low + 1;
  if (is_codebook(format)) return static_cast<std::int64_t>(format.element.codebook->values.size());
  return std::int64_t{1} << format.element.bits();
}

double code_value(const Format& format, std::int64_t code) {
  if (const auto codes = whole_codes(format)) return static_cast<double>(codes->low + code);
  return decode(format.element, static_cast<std::uint32_t>(code));
}

ArrayPlace place_of(const fakequant_place* place) {
  if (place == nullptr) return {};
  ArrayPlace where{.token_rows = place->token_rows, .position = place->position};
  if (place->site != nullptr) where.site = place->site;
  return where;
}

}  // namespace
}  // namespace fakequant

using namespace fakequant;  // below are the functions of the header alone

const char* fakequant_version() {
  static const auto text = version();
  return text.c_str();
}

const char* fakequant_last_error() { return last_error.data(); }

int64_t fakequant_name_count() {
  return without_exceptions(std::int64_t{0}, [] { return static_cast<std::int64_t>(listed_names().size()); });
}

const char* fakequant_name(int64_t index) {
  return without_exceptions<const char*>(nullptr, [&]() -> const char* {
    if (index < 0 || index >= fakequant_name_count()) {
      throw usage_error(fmt::format("there is no format {}: there are {}", index, fakequant_name_count()));
    }
    return listed_names()[static_cast<std::size_t>(index)].c_str();
  });
}

fakequant_format* fakequant_parse(const char* text) {
  return without_exceptions<fakequant_format*>(nullptr, [&] {
    require(text != nullptr, "the text of a format");
    auto made = std::make_unique<fakequant_format>(fakequant_format{ArrayFormat(parse_held(text)), {}, {}, {}});
    made->text = to_string(made->format.weight);
    made->facts = facts_of(made->format.weight);
    made->view = view_of(made->facts);
    return made.release();
  });
}

void fakequant_free(fakequant_format* format) { delete format; }

const char* fakequant_text(const fakequant_format* format) { return format == nullptr ? "" : format->text.c_str(); }

const fakequant_facts* fakequant_facts_of(const fakequant_format* format) {
  return without_exceptions<const fakequant_facts*>(nullptr, [&] {
    require(format != nullptr, "the format");
    return &format->view;
  });
}

int64_t fakequant_code_count(const fakequant_format* format) {
  return without_exceptions(std::int64_t{0}, [&] {
    require(format != nullptr, "the format");
    return code_count(format->format.weight);
  });
}

int fakequant_code_values(const fakequant_format* format, int64_t first, int64_t count, double* values) {
  return without_exceptions(1, [&] {
    require(format != nullptr, "the format");
    require(values != nullptr || count == 0, "the array of values");
    const auto codes = code_count(format->format.weight);
    if (first < 0 || count < 0 || first > codes || count > codes - first) {
      throw usage_error(
          fmt::format("{} codes from {} on are not among the {} of {}", count, first, codes, format->text));
    }
    for (std::int64_t i = 0; i < count; ++i) values[i] = code_value(format->format.weight, first + i);
    return 0;
  });
}

int fakequant_round(const fakequant_format* format, float* values, int64_t rows, int64_t columns,
                    const fakequant_place* place, int64_t* saturated) {
  return without_exceptions(1, [&] {
    const auto where = place_of(place);
    require(format != nullptr, "the format");
    check_array(format->format, rows, columns, where);
    require(values != nullptr || rows * columns == 0, "the array of values");
    std::int64_t count = 0;
    if (rows * columns > 0) {
      count = round_array(format->format, {values, static_cast<std::size_t>(rows * columns)}, columns, where);
    }
    if (saturated != nullptr) *saturated = count;
    return 0;
  });
}
