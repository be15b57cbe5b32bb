#include "weights/tensor_rounding.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "error.h"
#include "format/format_properties.h"
#include "format/ggml_types.h"
#include "format/integer_kernel.h"
#include "parallel.h"
#include "weights/awq.h"
#include "weights/output_clipping.h"

namespace fakequant {

TensorRounder::TensorRounder(const GgufModel& model, std::size_t tensor, const Format& format, RoundingData data)
    : model_(&model),
      tensor_(tensor),
      format_(format),
      data_(std::move(data)),
      random_key_(random_key(format.seed, model.tensors()[tensor].name)) {
  const auto& info = model.tensors()[tensor];
  about(info.name, [&] { check_row(format, row_elements(info)); });
  if (data_.importance) importance_ = data_.importance->of(info);
  if (needs_importance(format) && importance_.empty()) {
    throw usage_error(
        fmt::format("{}: ggml quantizes to {} only with an importance matrix: add imatrix=FILE, of "
                    "llama-imatrix{}",
                    info.name, format.name, data_.importance ? ", that has this tensor, or leave the tensor out" : ""));
  }
  if (!data_.channels) return;
  column_factors_ = data_.channels->scales(*data_.channels->input_of(info.name), format.smoothing.alpha);
  if (static_cast<std::int64_t>(column_factors_.size()) != row_elements(info)) {
    throw Error(fmt::format("{} has {} channels for {}, but the model has {}: it was made for another model",
                            data_.channels->path(), column_factors_.size(), info.name, row_elements(info)));
  }
}

PieceCut TensorRounder::cut() const { return needs_whole_rows(format_) ? PieceCut::rows : PieceCut::anywhere; }

std::int64_t TensorRounder::rows_of_matrix() const {
  const auto& info = model_->tensors()[tensor_];
  return info.shape.size() > 1 ? info.shape[1] : 1;
}

void TensorRounder::find_scale(int threads) {
  if (data_.awq) {
    find_awq_factors(threads);
  } else {
    find_shared_scale(threads);
  }
}

void TensorRounder::find_awq_factors(int threads) {
  const auto& info = model_->tensors()[tensor_];
  if (info.elements == 0) return;
  const auto& input = *data_.awq->input_of(info);
  const auto columns = row_elements(info), matrix = columns * rows_of_matrix();
  const auto matrices = info.elements / matrix;
  if (matrices == 1) hold_matrix(0, threads);
  std::vector<std::vector<float>> diagonals;
  std::vector<float> lower;  // of the matrix that was looked at last: that of one is read once
  for (std::int64_t m = 0; m < matrices; ++m) {
    lower = data_.awq->triangle(input, m);
    diagonals.push_back(diagonal_of(lower));
  }

  // One thread for each exponent, unless their sums of products would take too much memory.
  constexpr std::int64_t kMemory = std::int64_t{1} << 30;
  const bool is_apart = 4 * columns * columns * std::min(threads, kAwqSteps) <= kMemory;
  const int outer = is_apart ? threads : 1, inner = is_apart ? 1 : threads;
  std::vector<TensorRounder> trials(kAwqSteps, *this);
  parallel_for(kAwqSteps, outer, [&](std::int64_t step) {
    auto& trial = trials[static_cast<std::size_t>(step)];
    trial.column_factors_.clear();
    // Ranges are searched when the factors are found, as AWQ does.
    trial.data_.output.reset();
    trial.format_.range = finds_range_by_output(format_) ? RangeRule() : format_.range;
    for (const auto& diagonal : diagonals) {
      const auto factors = awq_scales(diagonal, static_cast<int>(step));
      trial.column_factors_.insert(trial.column_factors_.end(), factors.begin(), factors.end());
    }
    trial.find_shared_scale(inner);
  });
  column_factors_.resize(static_cast<std::size_t>(columns * matrices));
  for (std::int64_t m = 0; m < matrices; ++m) {
    if (matrices > 1) {
      lower = data_.awq->triangle(input, m);
      hold_matrix(m, threads);
    }
    std::vector<double> errors(kAwqSteps);
    parallel_for(kAwqSteps, outer, [&](std::int64_t step) {
      auto& trial = trials[static_cast<std::size_t>(step)];
      trial.held_ = held_;
      errors[static_cast<std::size_t>(step)] = trial.output_error_of(m, lower, inner);
    });
    std::size_t best = 0;  // where no error is finite, columns stay as they are
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t step = 0; step < errors.size(); ++step) {
      if (!(errors[step] < least)) continue;
      best = step;
      least = errors[step];
    }
    const auto& factors = trials[best].column_factors_;
    std::copy_n(factors.begin() + m * columns, columns, column_factors_.begin() + m * columns);
  }
  find_shared_scale(threads);
  held_ = {};
}

void TensorRounder::hold_matrix(std::int64_t matrix, int threads) {
  const auto columns = row_elements(model_->tensors()[tensor_]), rows = rows_of_matrix();
  const auto first = matrix * rows * columns;
  const auto values = std::make_shared<Buffer<float>>(static_cast<std::size_t>(rows * columns));
  const auto together = std::max<std::int64_t>(1, kPieceElements / columns);
  parallel_for((rows + together - 1) / together, threads, [&](std::int64_t task) {
    const auto row = task * together, count = std::min(together, rows - row);
    const auto part = read_piece_values(*model_, {tensor_, first + row * columns, count * columns});
    std::copy(part.begin(), part.end(), values->begin() + row * columns);
  });
  held_ = {first, values};
}

Buffer<float> TensorRounder::read_values(const TensorPiece& piece) const {
  const auto begin = piece.first_element - held_.first_element;
  if (held_.values == nullptr || begin < 0 ||
      begin + piece.elements > static_cast<std::int64_t>(held_.values->size())) {
    return read_piece_values(*model_, piece);
  }
  const auto from = held_.values->begin() + begin;
  return Buffer<float>(from, from + piece.elements);
}

double TensorRounder::output_error_of(std::int64_t matrix, std::span<const float> lower, int threads) const {
  constexpr std::int64_t kRowsTogether = 256, kRowsOfTask = 16;
  const auto columns = row_elements(model_->tensors()[tensor_]), rows = rows_of_matrix();
  GramSums errors(columns);
  std::vector<float> change;
  for (std::int64_t row = 0; row < rows; row += kRowsTogether) {
    const auto count = std::min(kRowsTogether, rows - row);
    change.resize(static_cast<std::size_t>(count * columns));
    parallel_for((count + kRowsOfTask - 1) / kRowsOfTask, threads, [&](std::int64_t task) {
      const auto first = task * kRowsOfTask, rows_of_task = std::min(kRowsOfTask, count - first);
      const TensorPiece piece{tensor_, (matrix * rows + row + first) * columns, rows_of_task * columns};
      const auto before = read_values(piece);
      auto after = before;
      round_values(piece, after);
      std::transform(after.begin(), after.end(), before.begin(), change.begin() + first * columns, std::minus<>());
    });
    errors.add(change, threads);
  }
  return output_error(errors, lower);
}

void TensorRounder::find_shared_scale(int threads) {
  if (shares_scale_in_tiles(format_)) return find_tile_scales(threads);
  if (!shares_scale_across_tensor(format_)) return;
  if (data_.output) return find_output_scale(threads);
  TensorScaleSearch search(format_);
  TensorPieces pieces;
  pieces.add(tensor_, model_->tensors()[tensor_], cut());
  for (int pass = 0; pass < search.passes(); ++pass) {
    std::vector<std::vector<double>> sums(static_cast<std::size_t>(pieces.size()));
    parallel_for(pieces.size(), threads,
                 [&](std::int64_t i) { sums[static_cast<std::size_t>(i)] = search.look(values_to_scale(pieces[i])); });
    search.end_pass(sums);
  }
  scale_ = search.scale();
}

Buffer<float> TensorRounder::values_to_scale(const TensorPiece& piece) const {
  auto values = read_values(piece);
  for_each_part(piece, values, [&](std::span<float> part, const Placement& placement) {
    if (!placement.column_factors.empty()) scale_columns(placement.column_factors, Turn::forward, part);
    if (is_rotated(format_)) rotate_rows(format_.rotation, Turn::forward, part, placement.row);
  });
  return values;
}

void TensorRounder::find_tile_scales(int threads) {
  const auto& info = model_->tensors()[tensor_];
  const auto row = row_elements(info);
  if (info.elements == 0) return;
  tiles_ = std::make_shared<TileScales>(format_, row, rows_of_matrix(), info.elements / row);
  TensorPieces pieces;
  pieces.add(tensor_, info, cut());
  parallel_for(pieces.size(), threads,
               [&](std::int64_t i) { tiles_->look(values_to_scale(pieces[i]), pieces[i].first_element / row); });
  tiles_->end(format_);
}

template <typename Work>
void TensorRounder::for_each_part(const TensorPiece& piece, std::span<float> values, const Work& work) const {
  const auto& info = model_->tensors()[tensor_];
  Placement placement;
  placement.row = row_elements(info);
  placement.scale = scale_;
  placement.tiles = tiles_.get();
  placement.random = {random_key_, 0};
  placement.first = static_cast<std::uint64_t>(piece.first_element);
  if (importance_.empty() && column_factors_.empty()) return work(values, placement);

  // Each matrix has its own importance and factors, so that the rows of one matrix are rounded at a time.
  const auto matrix = placement.row * rows_of_matrix();
  for (std::int64_t begin = 0; begin < piece.elements;) {
    const auto at = piece.first_element + begin;
    const auto end = std::min(piece.elements, (at / matrix + 1) * matrix - piece.first_element);
    const auto of_matrix = [&](std::span<const float> columns) {
      if (columns.empty()) return columns;
      return columns.subspan(static_cast<std::size_t>(at / matrix * placement.row) % columns.size(),
                             static_cast<std::size_t>(placement.row));
    };
    placement.importance = of_matrix(importance_);
    placement.column_factors = of_matrix(column_factors_);
    placement.first = static_cast<std::uint64_t>(at);
    work(values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)), placement);
    begin = end;
  }
}

template <typename Work>
void TensorRounder::for_each_matrix(const TensorPiece& piece, std::span<float> values, const Work& work) const {
  const auto row = row_elements(model_->tensors()[tensor_]), matrix = row * rows_of_matrix();
  for (std::int64_t begin = 0; begin < piece.elements;) {
    const auto first = piece.first_element + begin, number = first / matrix;
    const auto end = std::min(piece.elements, (number + 1) * matrix - piece.first_element);
    const auto rows = values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    const auto factors = factors_of(number);
    if (!factors.empty()) scale_columns(factors, Turn::forward, rows);
    if (is_rotated(format_)) rotate_rows(format_.rotation, Turn::forward, rows, row);
    work(number, rows, first);
    if (is_rotated(format_)) rotate_rows(format_.rotation, Turn::back, rows, row);
    if (!factors.empty()) scale_columns(factors, Turn::back, rows);
    begin = end;
  }
}

std::span<const float> TensorRounder::factors_of(std::int64_t matrix) const {
  if (column_factors_.empty()) return {};
  const std::span<const float> all = column_factors_;
  const auto row = static_cast<std::size_t>(row_elements(model_->tensors()[tensor_]));
  return all.subspan(static_cast<std::size_t>(matrix) * row % all.size(), row);
}

std::int64_t TensorRounder::round_by_hessian(const TensorPiece& piece, std::span<float> values) const {
  std::int64_t saturated = 0;
  for_each_matrix(piece, values, [&](std::int64_t matrix, std::span<float> rows, std::int64_t) {
    const auto factor = data_.hessians->of(model_->tensors()[tensor_], matrix);
    saturated += gptq_round_rows(format_, scale_.value_or(SharedScale()), *factor, rows);
  });
  return saturated;
}

std::int64_t TensorRounder::round_by_output(const TensorPiece& piece, std::span<float> values) const {
  const OutputClipping clipping(format_, row_elements(model_->tensors()[tensor_]));
  std::int64_t saturated = 0;
  for_each_matrix(piece, values, [&](std::int64_t matrix, std::span<float> rows, std::int64_t first) {
    const auto hessian = data_.output->of(model_->tensors()[tensor_], matrix, factors_of(matrix));
    saturated += clipping.round_rows(*hessian, rows, {random_key_, 0}, static_cast<std::uint64_t>(first));
  });
  return saturated;
}

void TensorRounder::find_output_scale(int threads) {
  const auto& info = model_->tensors()[tensor_];
  TensorPieces pieces;
  pieces.add(tensor_, info, cut());
  std::vector<ValueRange> ranges(static_cast<std::size_t>(pieces.size()));
  parallel_for(pieces.size(), threads,
               [&](std::int64_t i) { ranges[static_cast<std::size_t>(i)] = range_of(values_to_scale(pieces[i])); });
  ValueRange range;
  for (const auto& of_piece : ranges) range.widen(of_piece);

  const OutputClipping clipping(format_, row_elements(info));
  std::vector<double> errors(kRangesTried);
  parallel_fold(
      pieces.size(), threads,
      [&](std::int64_t i) {
        auto values = read_values(pieces[i]);
        std::vector<double> sums(kRangesTried);
        for_each_matrix(pieces[i], values, [&](std::int64_t matrix, std::span<float> rows, std::int64_t) {
          clipping.add_errors(*data_.output->of(info, matrix, factors_of(matrix)), range, rows, sums);
        });
        return sums;
      },
      [&](std::int64_t, const std::vector<double>& sums) {
        std::transform(sums.begin(), sums.end(), errors.begin(), errors.begin(), std::plus<>());
      });
  scale_ = best_scale(format_, range, errors);
}

std::optional<std::int64_t> TensorRounder::round_by_product(const TensorPiece& piece, std::span<float> values) const {
  if (data_.hessians) return round_by_hessian(piece, values);
  // A scale of the whole tensor is found already.
  if (data_.output && !shares_scale_across_tensor(format_)) return round_by_output(piece, values);
  return std::nullopt;
}

RoundingErrors TensorRounder::round(const TensorPiece& piece, std::span<float> values) const {
  RoundingErrors total;
  about(model_->tensors()[tensor_].name, [&] {
    if (data_.hessians || data_.output) {
      const std::vector<float> before(values.begin(), values.end());
      if (const auto saturated = round_by_product(piece, values)) {
        total = errors_between(before, values);
        total.saturated = *saturated;
        return;
      }
    }
    for_each_part(piece, values, [&](std::span<float> part, const Placement& placement) {
      total.add(fake_quantize(format_, part, placement));
    });
  });
  return total;
}

void TensorRounder::round_values(const TensorPiece& piece, std::span<float> values) const {
  about(model_->tensors()[tensor_].name, [&] {
    if (round_by_product(piece, values)) return;
    for_each_part(piece, values, [&](std::span<float> part, const Placement& placement) {
      fakequant::round_values(format_, part, placement);
    });
  });
}

Buffer<std::byte> TensorRounder::pack(const TensorPiece& piece, std::span<float> values) const {
  Buffer<std::byte> bytes;
  about(model_->tensors()[tensor_].name, [&] {
    for_each_part(piece, values, [&](std::span<float> part, const Placement& placement) {
      auto packed = ggml_quantize(*format_.block_type, part, placement.row, placement.importance);
      if (bytes.empty()) {
        bytes = std::move(packed);
      } else {
        bytes.insert(bytes.end(), packed.begin(), packed.end());
      }
    });
  });
  return bytes;
}

}  // namespace fakequant
