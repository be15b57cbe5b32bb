// fakequant::Format: the formats of src/format at arrays.
#include <fmt/format.h>

#include <fakequant/format.hpp>

#include "api/boundary.h"
#include "format/array_rounding.h"
#include "format/format_facts.h"
#include "format/format_names.h"

namespace fakequant::v0 {

struct Format::Parsed {
  ArrayFormat format;
};

Format::Format(const std::string& text)
    : parsed_(at_boundary([&] { return std::make_shared<const Parsed>(Parsed{ArrayFormat(parse_format(text))}); })) {}

std::string Format::text() const {
  return at_boundary([&] { return to_string(parsed_->format.weight); });
}

FormatFacts Format::facts() const {
  return at_boundary([&] { return facts_of(parsed_->format.weight); });
}

std::int64_t Format::round(std::span<float> values, const Rows& rows) const {
  return at_boundary([&]() -> std::int64_t {
    const auto count = static_cast<std::int64_t>(values.size());
    const auto columns = rows.columns == 0 ? count : rows.columns;
    if (columns < 0 || (columns > 0 && count % columns != 0)) {
      throw usage_error(fmt::format("{} values are not rows of {}: give the length of a row", count, columns));
    }
    ArrayPlace place{.token_rows = rows.token_rows, .position = rows.position};
    if (!rows.site.empty()) place.site = rows.site;
    check_array(parsed_->format, columns == 0 ? 0 : count / columns, columns, place);
    return count == 0 ? 0 : round_array(parsed_->format, values, columns, place);
  });
}

std::vector<std::string> format_names() {
  return at_boundary([] { return fakequant::format_names(); });
}

}  // namespace fakequant::v0
