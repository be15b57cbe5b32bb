#include "format/array_rounding.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_properties.h"

namespace fakequant {

ArrayFormat::ArrayFormat(Format format) : weight(std::move(format)), activation(for_activation(weight)) {
  if (needs_range_file(weight)) {
    throw usage_error(
        fmt::format("range={} has ranges for the sites of a model, and there is no model here: give the range as a "
                    "number, as in range=6.5",
                    to_string(weight.range)));
  }
  refuse_what_needs_products(weight);
}

void check_array(const ArrayFormat& format, std::int64_t rows, std::int64_t columns, const ArrayPlace& place) {
  if (rows < 0 || columns < 0 || (columns > 0 && rows > std::numeric_limits<std::int64_t>::max() / 4 / columns)) {
    throw usage_error(fmt::format("{} rows of {} values are no array: give its shape", rows, columns));
  }
  if (place.token_rows < 0 || (place.token_rows > 0 && rows % place.token_rows != 0)) {
    throw usage_error(
        fmt::format("{} rows are not tokens of {} rows each: give a number that divides them", rows, place.token_rows));
  }
  check_span(format.weight, place.token_rows == 0 ? ScaledAs::weight : ScaledAs::activation);
  if (columns > 0) check_row(format.weight, columns);
}

std::int64_t round_array(const ArrayFormat& format, std::span<float> values, std::int64_t columns,
                         const ArrayPlace& place) {
  const auto key = random_key(format.weight.seed, place.site.value_or(format.weight.name));
  if (place.token_rows == 0) return round_values(format.weight, values, {.row = columns, .random = {key, 0}});
  // Without chance, and without a scale of a token, tokens need not be told apart.
  if (!needs_token_layout(format.activation)) return round_values(format.activation, values, {.row = columns});
  const auto token = static_cast<std::size_t>(place.token_rows * columns);
  std::int64_t saturated = 0;
  for (std::size_t begin = 0, position = place.position; begin < values.size(); begin += token, ++position) {
    saturated +=
        round_values(format.activation, values.subspan(begin, token), {.row = columns, .random = {key, position}});
  }
  return saturated;
}

}  // namespace fakequant
