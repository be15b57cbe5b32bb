#include "report/study_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "report/numbers.h"
#include "report/score_figures.h"
#include "report/table.h"

namespace fakequant {
namespace {

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// With all its digits.
std::string csv_number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : std::string(); }

std::string cell_text(const StudyValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return printable(*text);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{:.6g}", *real);
  return "-";
}

Json cell_json(const StudyValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return nullptr;
}

}  // namespace

std::string to_csv(const StoredStudy& study) {
  std::vector<std::string> headers = {"recipe", "site", "layer", "format", "storage", "bits", "chunks"};
  for (const auto* quantity : compared_quantities()) {
    headers.emplace_back(quantity->name);
    headers.push_back(fmt::format("{}_error", quantity->name));
  }
  headers.insert(headers.end(), {"predicted_kld", "predicted_low", "predicted_high", "overflows"});
  auto csv = fmt::format("{}\n", fmt::join(headers, ","));
  for (const auto& variant : study.result.variants) {
    const bool is_measured = variant.chunks > 0 && !variant.overflow;
    std::vector<std::string> row = {csv_text(variant.recipe),
                                    csv_text(variant.site),
                                    variant.layer ? fmt::format("{}", *variant.layer) : "",
                                    csv_text(variant.format),
                                    csv_text(variant.storage),
                                    variant.bits ? csv_number(*variant.bits) : "",
                                    fmt::format("{}", variant.chunks)};
    for (const auto* quantity : compared_quantities()) {
      const auto& estimate = variant.figures.*quantity->estimate;
      row.push_back(is_measured ? csv_number(estimate.value) : "");
      row.push_back(is_measured ? csv_number(estimate.error) : "");
    }
    const auto& predicted = variant.predicted;
    row.push_back(predicted ? csv_number(predicted->kld) : "");
    row.push_back(predicted ? csv_number(predicted->low) : "");
    row.push_back(predicted ? csv_number(predicted->high) : "");
    row.emplace_back(variant.overflow ? "1" : "0");
    csv += fmt::format("{}\n", fmt::join(row, ","));
  }
  return csv;
}

std::string to_text(const StudyRows& rows) {
  std::vector<std::string> headers;
  for (std::size_t c = 0; c < rows.columns.size(); ++c) {
    const bool is_text = !rows.rows.empty() && std::holds_alternative<std::string>(rows.rows.front()[c]);
    headers.push_back(printable(rows.columns[c]) + (is_text ? "<" : ""));
  }
  Table table(headers);
  for (const auto& row : rows.rows) {
    std::vector<std::string> cells;
    for (const auto& value : row) cells.push_back(cell_text(value));
    table.add_row(std::move(cells));
  }
  return table.to_text();
}

Json to_json(const StudyRows& rows, const std::string& study, const Provenance& provenance) {
  auto json = json_file("study_show", "", provenance);
  json["study"] = study;
  json["rows"] = Json::array();
  for (const auto& row : rows.rows) {
    Json entry = Json::object();
    for (std::size_t c = 0; c < row.size(); ++c) entry[rows.columns[c]] = cell_json(row[c]);
    json["rows"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace fakequant
