#include "report/table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "report/display_width.h"
#include "report/markdown_text.h"
#include "report/printable_text.h"

namespace fakequant {

Table::Table(const std::vector<std::string>& headers) {
  for (auto header : headers) {
    left_.push_back(header.ends_with('<'));
    if (left_.back()) header.pop_back();
    headers_.push_back(std::move(header));
  }
}

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(headers_.size());
  for (auto& cell : cells) cell = printable(cell);  // names come from files
  rows_.push_back(std::move(cells));
}

std::string Table::to_text() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < headers_.size(); ++c) {
    widths.push_back(display_width(headers_[c]));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], display_width(row[c]));
  }
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string space(widths[c] - display_width(cells[c]), ' ');
      line += (c == 0 ? "  " : "   ") + (left_[c] ? cells[c] + space : space + cells[c]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  add_line(headers_);
  for (const auto& row : rows_) add_line(row);
  return text;
}

std::string Table::to_markdown() const {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const auto& cell : cells) {
      text += " " + markdown_text(cell) + " |";
    }
    return text + "\n";
  };
  std::string text = line(headers_) + "|";
  for (const bool left : left_) text += left ? " --- |" : " ---: |";
  text += "\n";
  for (const auto& row : rows_) text += line(row);
  return text;
}

}  // namespace fakequant
