#include "measure/recorded_range.h"

#include <fmt/format.h>

#include "error.h"
#include "format/format_properties.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr std::string_view kFixedRange = ",range=1";

Format with_fixed_range(std::string_view text) {
  auto format = parse_format(std::string(text) + std::string(kFixedRange));
  if (rounds_values_independently(format)) return format;
  throw usage_error(fmt::format("mse:{} is no search: take a format that rounds each value alone, such as int8", text));
}

std::string without_range(const Format& format) {
  auto text = to_string(format);
  return text.erase(text.find(kFixedRange), kFixedRange.size());
}

}  // namespace

RecordedRange parse_recorded_range(std::string_view text) {
  using Range = RecordedRange;
  const auto colon = text.find(':');
  const auto word = text.substr(0, colon);
  const bool has_more = colon != std::string_view::npos;
  const auto more = has_more ? text.substr(colon + 1) : std::string_view();
  if (text == "absmax") return {};
  if (word == "percentile") {
    const auto percent = number_of_text<double>(more);
    if (percent && *percent > 0 && *percent <= 100) return {.kind = Range::percentile, .percent = *percent};
  }
  if (word == "entropy") {
    const auto bits = has_more ? number_of_text<int>(more) : 8;
    if (bits && *bits >= kFewestEntropyBits && *bits <= kMostEntropyBits)
      return {.kind = Range::entropy, .bits = *bits};
  }
  if (word == "mse" && (!has_more || !more.empty())) {
    return {.kind = Range::mse, .format = with_fixed_range(has_more ? more : "int8")};
  }
  if (word == "history") {
    const auto evaluations = number_of_text<int>(more);
    if (evaluations && *evaluations >= 1 && *evaluations <= kLongestHistory) {
      return {.kind = Range::history, .evaluations = *evaluations};
    }
  }
  if (word == "average") {
    const auto weight = number_of_text<double>(more);
    if (weight && *weight > 0 && *weight <= 1) return {.kind = Range::average, .weight = *weight};
  }
  throw usage_error(fmt::format(
      "range={} is not to be had from a record of values: take absmax, percentile:P with P above 0 and at most 100, "
      "entropy[:BITS] with {} to {}, mse[:FORMAT], history:N of chunks, or average:WEIGHT above 0 and at most 1",
      text, kFewestEntropyBits, kMostEntropyBits));
}

std::string to_string(const RecordedRange& range) {
  switch (range.kind) {
    case RecordedRange::absmax:
      return "absmax";
    case RecordedRange::percentile:
      return fmt::format("percentile:{}", range.percent);
    case RecordedRange::entropy:
      return fmt::format("entropy:{}", range.bits);
    case RecordedRange::mse:
      return fmt::format("mse:{}", without_range(range.format));
    case RecordedRange::history:
      return fmt::format("history:{}", range.evaluations);
    case RecordedRange::average:
      return fmt::format("average:{}", range.weight);
  }
  return {};
}

}  // namespace fakequant
