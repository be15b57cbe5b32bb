// A table of texts, formatted for the terminal or as Markdown.
#pragma once

#include <string>
#include <vector>

namespace fakequant {

class Table {
 public:
  // Columns whose headers end in '<' are aligned to the left, the others to the right.
  explicit Table(const std::vector<std::string>& headers);

  // One cell for each column.
  void add_row(std::vector<std::string> cells);

  bool empty() const { return rows_.empty(); }
  std::string to_text() const;
  std::string to_markdown() const;

 private:
  std::vector<std::string> headers_;
  std::vector<bool> left_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace fakequant
