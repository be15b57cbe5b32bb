#include "weights/tensor_rounding.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "parallel.h"

namespace fakequant {

TensorRounder::TensorRounder(const GgufFile& file, std::size_t tensor, const Format& format,
                             const ImportanceMatrix* importance)
    : file_(&file),
      tensor_(tensor),
      format_(format),
      random_key_(random_key(format.seed, file.tensors()[tensor].name)) {
  const auto& info = file.tensors()[tensor];
  try {
    check_row(format, row_elements(info));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", info.name, error.what()), error.failure());
  }
  if (importance != nullptr) importance_ = importance->of(info);
  if (format.family == Family::ggml && ggml_type_of_format(format).needs_importance && importance_.empty()) {
    throw usage_error(fmt::format(
        "{}: ggml quantizes to {} only with an importance matrix: add imatrix=FILE, of "
        "llama-imatrix{}",
        info.name, format.name, importance == nullptr ? "" : ", that has this tensor, or leave the tensor out"));
  }
}

std::vector<TensorPiece> TensorRounder::pieces() const {
  return tensor_pieces(*file_, tensor_, format_.family == Family::element ? PieceCut::anywhere : PieceCut::rows);
}

void TensorRounder::find_scale(int threads) {
  if (!spans_tensor(format_)) return;
  TensorScaleSearch search(format_);
  const auto all = pieces();
  for (int pass = 0; pass < search.passes(); ++pass) {
    std::vector<std::vector<double>> sums(all.size());
    parallel_for(static_cast<std::int64_t>(all.size()), threads, [&](std::int64_t i) {
      const auto piece = static_cast<std::size_t>(i);
      sums[piece] = search.look(read_piece_values(*file_, all[piece]));
    });
    search.end_pass(sums);
  }
  scale_ = search.scale();
}

RoundingErrors TensorRounder::round(const TensorPiece& piece, std::span<float> values) const {
  try {
    return round_rows(piece, values);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", file_->tensors()[tensor_].name, error.what()), error.failure());
  }
}

RoundingErrors TensorRounder::round_rows(const TensorPiece& piece, std::span<float> values) const {
  const auto& info = file_->tensors()[tensor_];
  Placement placement;
  placement.row = row_elements(info);
  placement.scale = scale_;
  placement.random = {random_key_, 0};
  placement.first = static_cast<std::uint64_t>(piece.first_element);
  if (importance_.empty()) return fake_quantize(format_, values, placement);

  // Each matrix has an importance of its own: rows go to ggml matrix by matrix.
  const auto matrix = placement.row * (info.shape.size() > 1 ? info.shape[1] : 1);
  RoundingErrors total;
  for (std::int64_t begin = 0; begin < piece.elements;) {
    const auto at = piece.first_element + begin;
    const auto end = std::min(piece.elements, (at / matrix + 1) * matrix - piece.first_element);
    placement.importance =
        importance_.subspan(static_cast<std::size_t>(at / matrix * placement.row) % importance_.size(),
                            static_cast<std::size_t>(placement.row));
    total.add(fake_quantize(
        format_, values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)), placement));
    begin = end;
  }
  return total;
}

}  // namespace fakequant
