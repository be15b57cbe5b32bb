#include "study/score_columns.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <type_traits>

namespace fakequant {
namespace {

// Counts have no value for "missing", so a quantity added later must have moments.
constexpr bool later_quantities_can_be_missing() {
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.since > 1 && quantity.count != nullptr) return false;
  }
  return true;
}
static_assert(later_quantities_can_be_missing());

// Calls visit(name, suffix of the name, value, version that added it) for each column, in order. A value is a
// std::int64_t or a double.
template <typename Sums, typename Visit>
void for_each_column(Sums& sums, const Visit& visit) {
  visit("predictions", "", sums.count, 1);
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.moments != nullptr) {
      visit(quantity.name, "", (sums.*quantity.moments).sum, quantity.since);
      visit(quantity.name, "_squared", (sums.*quantity.moments).sum2, quantity.since);
    }
    if (quantity.count != nullptr) visit(quantity.name, "", sums.*quantity.count, quantity.since);
    if (quantity.max != nullptr) visit(quantity.name, "_max", sums.*quantity.max, quantity.since);
  }
}

// The same for a pair of sums: visit(value of a, value of b, version).
template <typename Sums, typename Visit>
void for_each_pair(Sums& a, const ScoreSums& b, const Visit& visit) {
  visit(a.count, b.count, 1);
  for (const auto& quantity : kScoreQuantities) {
    if (quantity.moments != nullptr) {
      visit((a.*quantity.moments).sum, (b.*quantity.moments).sum, quantity.since);
      visit((a.*quantity.moments).sum2, (b.*quantity.moments).sum2, quantity.since);
    }
    if (quantity.count != nullptr) visit(a.*quantity.count, b.*quantity.count, quantity.since);
    if (quantity.max != nullptr) visit(a.*quantity.max, b.*quantity.max, quantity.since);
  }
}

bool is_missing(double value) { return std::isnan(value); }
bool is_missing(std::int64_t /*value*/) { return false; }

std::vector<std::string> names_of_columns(int known_version) {
  std::vector<std::string> names;
  const ScoreSums sums;
  for_each_column(sums, [&](std::string_view name, std::string_view suffix, const auto& /*value*/, int since) {
    names.push_back(fmt::format("{}{}{}", since > known_version ? "NULL AS " : "", name, suffix));
  });
  return names;
}

}  // namespace

std::vector<std::string> score_column_definitions(int version) {
  std::vector<std::string> columns;
  const ScoreSums sums;
  for_each_column(sums, [&](std::string_view name, std::string_view suffix, const auto& value, int since) {
    constexpr bool kIsReal = std::is_same_v<std::remove_cvref_t<decltype(value)>, double>;
    if (since == version)
      columns.push_back(fmt::format("{}{} {}", name, suffix, kIsReal ? "REAL" : "INTEGER NOT NULL"));
  });
  return columns;
}

std::string selected_score_columns(int version) {
  return fmt::format("{}", fmt::join(names_of_columns(version), ", "));
}

std::string inserted_score_columns() { return selected_score_columns(std::numeric_limits<int>::max()); }

std::string score_placeholders() {
  const std::vector<const char*> marks(names_of_columns(0).size(), "?");
  return fmt::format("{}", fmt::join(marks, ", "));
}

ScoreSums read_score(SQLite::Statement& row, int first) {
  ScoreSums sums;
  for_each_column(sums, [&](std::string_view /*name*/, std::string_view /*suffix*/, auto& value, int /*since*/) {
    const auto column = row.getColumn(first++);
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, double>) {
      value = column.isNull() ? std::numeric_limits<double>::quiet_NaN() : column.getDouble();
    } else {
      value = column.getInt64();
    }
  });
  return sums;
}

void bind_score(SQLite::Statement& statement, int first, const ScoreSums& sums) {
  for_each_column(sums, [&](std::string_view /*name*/, std::string_view /*suffix*/, const auto& value, int /*since*/) {
    statement.bind(first++, value);
  });
}

bool agree(const ScoreSums& stored, const ScoreSums& measured) {
  bool is_same = true;
  for_each_pair(stored, measured, [&](const auto& a, const auto& b, int since) {
    const bool is_unknown = is_missing(a) || is_missing(b);
    is_same = is_same && (a == b || (is_unknown && (since > 1 || is_missing(a) == is_missing(b))));
  });
  return is_same;
}

bool fill_in_missing(ScoreSums& sums, const ScoreSums& other) {
  bool is_changed = false;
  for_each_pair(sums, other, [&](auto& own, const auto& more, int /*since*/) {
    if (!is_missing(own) || is_missing(more)) return;
    own = more;
    is_changed = true;
  });
  return is_changed;
}

}  // namespace fakequant
