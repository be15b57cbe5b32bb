#include "format/format_properties.h"

#include "error.h"

namespace fakequant {

Span span_of_scale(const Format& format, ScaledAs scaled) {
  return format.per.value_or(scaled == ScaledAs::weight ? Span::row : Span::token);
}

void check_span(const Format& format, ScaledAs scaled) {
  const bool is_weight = scaled == ScaledAs::weight;
  if (is_weight && format.per == Span::token) {
    throw usage_error("per=token is for activations: a weight's scale spans a row, a block or the tensor");
  }
  if (!is_weight && format.per == Span::tile) {
    throw usage_error("tile= is for weights: the rows of an activation are those of different tokens; take per=block");
  }
  if (!is_weight && format.per == Span::tensor && !has_static_range(format)) {
    throw usage_error(
        "per=tensor is for weights: over the tokens of a batch a scale would depend on the batch; take per=token, row "
        "or block, or give range=static:FILE or a number");
  }
}

Format for_activation(Format format) {
  if (has_scale(format)) format.per = span_of_scale(format, ScaledAs::activation);
  return format;
}

bool is_codebook(const Format& format) { return format.element.codebook != nullptr; }

bool has_scale(const Format& format) { return format.scale.type != ScaleType::none; }

bool has_integer_scale(const Format& format) {
  return has_scale(format) && format.element.is_fixed_point() && !is_microscaled(format);
}

bool is_microscaled(const Format& format) {
  return !is_codebook(format) && format.scale.type == ScaleType::e8m0 && format.per == Span::block &&
         format.outer_scale == ScaleType::none;
}

bool has_float_scale(const Format& format) {
  return has_scale(format) && !has_integer_scale(format) && !is_microscaled(format);
}

bool finds_range(const Format& format) { return has_integer_scale(format) || has_float_scale(format); }

bool finds_range_by_output(const Format& format) { return format.range.kind == RangeRule::output; }

bool has_static_range(const Format& format) {
  return needs_range_file(format) || format.range.kind == RangeRule::number;
}

bool needs_range_file(const Format& format) { return format.range.kind == RangeRule::static_range; }

bool is_rotated(const Format& format) { return format.rotation.kind != Rotation::none; }

bool is_smoothed(const Format& format) { return !format.smoothing.file.empty(); }

bool uses_awq(const Format& format) { return !format.awq_file.empty(); }

bool has_column_factors(const Format& format) { return is_smoothed(format) || uses_awq(format); }

void refuse_what_needs_products(const Format& format) {
  if (finds_range_by_output(format)) {
    throw usage_error("range=output is about the product of a weight, and there is none here: take range=mse");
  }
  if (!has_column_factors(format)) return;
  throw usage_error("smooth= and awq= are about the products of a model, and there is none here: leave them out");
}

namespace {

bool needs_more_than_values(const Format& format) {
  return is_rotated(format) || has_column_factors(format) || format.block_type != nullptr ||
         is_random(format.rounding) || uses_hessian(format);
}

}  // namespace

bool rounds_values_independently(const Format& format) {
  if (needs_more_than_values(format)) return false;
  const bool knows_scale = has_static_range(format) && format.outer_scale == ScaleType::none;
  return !has_scale(format) || knows_scale;
}

bool needs_whole_rows(const Format& format) {
  return is_rotated(format) || has_column_factors(format) || format.block_type != nullptr || has_scale(format) ||
         uses_hessian(format);
}

bool needs_token_layout(const Format& format) {
  return is_random(format.rounding) || (shares_scale_across_rows(format) && !has_static_range(format));
}

bool shares_scale_across_rows(const Format& format) {
  return format.outer_scale != ScaleType::none || format.per == Span::tensor || format.per == Span::token;
}

bool shares_scale_in_tiles(const Format& format) { return format.per == Span::tile; }

bool shares_scale_across_tensor(const Format& format) {
  return format.outer_scale != ScaleType::none || format.per == Span::tensor;
}

bool uses_hessian(const Format& format) { return format.fit == Fit::gptq; }

bool needs_importance(const Format& format) {
  return format.block_type != nullptr && format.block_type->needs_importance;
}

bool rounds_fast(const Format& format) {
  const bool is_searched = format.range.kind == RangeRule::percentile || format.range.kind == RangeRule::mse ||
                           finds_range_by_output(format);
  return format.block_type == nullptr && !is_searched && !uses_hessian(format);
}

bool has_codes(const Format& format) {
  return format.block_type == nullptr && !is_rotated(format) && !has_column_factors(format);
}

std::vector<std::string*> file_parts(Format& format) {
  return {&format.importance_file, &format.range.file, &format.gptq.hessian_file, &format.smoothing.file,
          &format.awq_file};
}

std::vector<std::string> format_files(const Format& format) {
  auto copy = format;
  std::vector<std::string> files;
  for (const auto* file : file_parts(copy)) {
    if (!file->empty()) files.push_back(*file);
  }
  if (is_codebook(format) && !format.element.codebook->file.empty()) files.push_back(format.element.codebook->file);
  return files;
}

}  // namespace fakequant
