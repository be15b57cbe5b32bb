#include "format/format_combinations.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "format/format_names.h"
#include "format/format_properties.h"

namespace fakequant {
namespace {

class GivenKeys {
 public:
  explicit GivenKeys(const std::vector<std::string_view>& keys) : keys_(keys) {}
  bool has(std::string_view key) const { return std::find(keys_.begin(), keys_.end(), key) != keys_.end(); }

 private:
  const std::vector<std::string_view>& keys_;
};

void refuse_where(bool is_wrong, std::string_view why) {
  if (is_wrong) throw usage_error(std::string(why));
}

bool is_searched(const RangeRule& range) {
  return range.kind == RangeRule::percentile || range.kind == RangeRule::mse || range.kind == RangeRule::output;
}

// A span gives a float element a scale, and so does a static range.
void give_float_its_scale(Format& format, const GivenKeys& given) {
  const bool is_plain_float = format.block_type == nullptr && !format.element.is_fixed_point() && !format.per;
  if (is_plain_float && has_static_range(format) && format.outer_scale == ScaleType::none) format.per = Span::tensor;
  if (is_plain_float && !format.per) {
    for (const auto* key : {"block", "subblock", "range", "scale", "least", "outer", "fit", "arithmetic", "margin"}) {
      if (uses_hessian(format) && std::string_view(key) == "fit") continue;
      refuse_where(given.has(key),
                   fmt::format("{}= is for values that share a scale: add per= or tile=, or leave it out", key));
    }
    return;
  }
  if (format.per && !has_scale(format)) format.scale.type = ScaleType::f32;
}

void check_outer_scale(const Format& format) {
  if (format.outer_scale == ScaleType::none) return;
  refuse_where(format.per != Span::block, "outer= is a scale over those of blocks: add per=block");
  const bool ends = format.scale.type == ScaleType::small_float && format.scale.number.exponent_bits < 8;
  refuse_where(!ends,
               fmt::format("outer= is for block scales of a narrow range, such as scale=e4m3: those in {} need none",
                           name_of(format.scale)));
  refuse_where(is_searched(format.range),
               fmt::format("{} has no range={}: its outer scale takes range=absmax, static:FILE or a number",
                           format.name, to_string(format.range)));
}

void check_codes(const Format& format) {
  if (format.codes == IntegerCodes::narrow) return;
  refuse_where(format.asymmetric, "codes= is for mode=sym: with mode=asym all codes are in use");
  refuse_where(format.scale.type == ScaleType::e8m0,
               "codes= does not go with scale=e8m0: a power of two does not fit the range to the codes");
}

void check_gptq(const Format& format, const GivenKeys& given) {
  refuse_where(given.has("hessian") && !uses_hessian(format) && !finds_range_by_output(format),
               "hessian= is for fit=gptq and range=output: add one of them");
  for (const auto* key : {"order", "damping"}) {
    refuse_where(given.has(key) && !uses_hessian(format), fmt::format("{}= is for fit=gptq: add it", key));
  }
  if (!uses_hessian(format)) return;
  refuse_where(format.gptq.hessian_file.empty(),
               "fit=gptq needs the Hessians of the products' inputs: add hessian=FILE, which calibrate writes");
  refuse_where(is_random(format.rounding), "fit=gptq does not go with round=stochastic");
  refuse_where(shares_scale_in_tiles(format),
               "fit=gptq does not go with tile=: it finds the scales of a row at a time");
}

void check_fit(const Format& format) {
  if (format.fit != Fit::four_over_six) return;
  const bool is_nvfp4 = format.element.name == "e2m1" && format.outer_scale != ScaleType::none &&
                        (format.scale.number.name == "e4m3" || format.scale.number.name == "ue4m3");
  refuse_where(!is_nvfp4, "fit=four-over-six is for nvfp4: e2m1 with scale=e4m3 and outer=f32");
  refuse_where(format.arithmetic == ScaleArithmetic::reciprocal,
               "fit=four-over-six does not go with arithmetic=reciprocal");
}

void check_arithmetic(const Format& format) {
  const bool has_outer = format.outer_scale == ScaleType::f32;
  const bool is_f32 = format.scale.type == ScaleType::f32 || has_outer;
  const auto refuse = [&](const char* word) {
    refuse_where(!is_f32,
                 fmt::format("arithmetic={} is for scales in float32, and not for {}", word, name_of(format.scale)));
  };
  if (format.arithmetic == ScaleArithmetic::reciprocal) refuse("reciprocal");
  if (format.arithmetic == ScaleArithmetic::factor) {
    refuse("factor");
    refuse_where(has_outer, "arithmetic=factor does not go with an outer scale: take division or reciprocal");
  }
}

void check_margin(const Format& format) {
  if (format.margin == 0) return;
  refuse_where(is_microscaled(format) || format.outer_scale != ScaleType::none,
               "margin= is for a scale of its own, and not for scale=e8m0 in blocks nor under an outer scale");
}

void check_range(const Format& format) {
  if (format.range.kind == RangeRule::absmax) return;
  if (finds_range_by_output(format)) {
    refuse_where(format.gptq.hessian_file.empty(),
                 "range=output needs the Hessians of the products' inputs: add hessian=FILE, which calibrate writes");
    refuse_where(uses_hessian(format), "range=output does not go with fit=gptq: take range=mse");
  }
  refuse_where(is_microscaled(format), "range= does not go with scale=e8m0 in blocks, which follows from their absmax");
}

void check_scale(const Format& format, const GivenKeys& given) {
  refuse_where(has_scale(format) && given.has("overflow"),
               "overflow= is for elements without a scale: under a scale all saturate");
  refuse_where(
      format.element == mxint8_element() && format.scale.type != ScaleType::e8m0,
      fmt::format("the scale of {} is e8m0: for scale={} take int8,per=block", format.name, name_of(format.scale)));
  refuse_where(format.asymmetric && format.scale.type == ScaleType::e8m0,
               "mode=asym does not go with scale=e8m0: a power of two cannot fit the range to the codes");
  refuse_where(
      format.scale.least != LeastScale::zero && format.scale.type != ScaleType::small_float,
      fmt::format("least= is for scales in a small float, such as scale=e4m3, and not for {}", name_of(format.scale)));
  const bool has_more_than_a_scale = is_microscaled(format) || format.outer_scale != ScaleType::none;
  refuse_where(has_more_than_a_scale && format.block > kLargestBlock,
               fmt::format("block={} is too long for scale={}: blocks have at most {} values", format.block,
                           name_of(format.scale), kLargestBlock));
}

void check_subblock(const Format& format) {
  if (format.subblock == 0) return;
  refuse_where(!is_microscaled(format),
               "subblock= halves the power of two of a block with scale=e8m0, and there is none: leave it out, or take "
               "per=block,scale=e8m0");
  refuse_where(format.block % format.subblock != 0,
               fmt::format("subblock={} does not divide block={}", format.subblock, format.block));
  refuse_where(uses_hessian(format),
               fmt::format("fit=gptq does not go with subblock={}: add subblock=none", format.subblock));
}

void check_rotation(const Format& format) {
  if (!is_rotated(format)) return;
  refuse_where(needs_range_file(format),
               "rotate= does not go with range=static:FILE: the file has ranges of values that are not rotated");
  refuse_where(!format.importance_file.empty(),
               "rotate= does not go with imatrix=: an importance matrix weighs columns, which a rotation mixes");
  refuse_where(needs_importance(format),
               fmt::format("rotate= does not go with {}, which needs the importance of columns that are not mixed",
                           format.name));
}

void check_smoothing(const Format& format) {
  const bool has_own_range = needs_range_file(format) && !format.range.file.empty();
  refuse_where(needs_range_file(format) && !has_own_range && !is_smoothed(format),
               "range=static names no file: write range=static:FILE, or add smooth=FILE:ALPHA, whose file has ranges");
  if (!has_column_factors(format)) return;
  refuse_where(is_smoothed(format) && uses_awq(format), "smooth= and awq= both find factors of columns: keep one");
  const auto* key = is_smoothed(format) ? "smooth=" : "awq=";
  refuse_where(has_own_range && is_smoothed(format),
               "smooth= does not go with range=static:FILE: the file has ranges of values that are not smoothed; take "
               "range=static, whose ranges are those of smooth='s file");
  refuse_where(!format.importance_file.empty() || needs_importance(format),
               fmt::format("{} does not go with an importance matrix, which weighs columns as they are", key));
  refuse_where(uses_hessian(format),
               fmt::format("{} does not go with fit=gptq: Hessians are those of inputs that are not smoothed", key));
}

}  // namespace

void settle_parts(Format& format, const std::vector<std::string_view>& keys) {
  const GivenKeys given(keys);
  if (given.has("tile")) {
    refuse_where(given.has("per") || given.has("block"),
                 "tile= says which values share a scale: leave per= and block= out");
    refuse_where(has_static_range(format), "a fixed range= is one for all values: leave tile= out");
    refuse_where(is_searched(format.range),
                 fmt::format("tile= does not go with range={}: it takes range=absmax", to_string(format.range)));
    format.per = Span::tile;
  }
  refuse_where(given.has("seed") && !is_random(format.rounding),
               "seed= is for random numbers: it goes with round=stochastic");
  give_float_its_scale(format, given);
  refuse_where(given.has("block") && format.per != Span::block, "block= says how long blocks are: add per=block");
  if (has_static_range(format) && format.outer_scale == ScaleType::none) {
    const bool is_nf4_by_name = format.name == nf4().name && !given.has("per");
    refuse_where(given.has("block"), "a fixed range= is one for all values: leave block= out");
    refuse_where(
        !is_nf4_by_name && format.per.value_or(Span::tensor) != Span::tensor,
        "per= does not go with a fixed range=: that is one range for all values of a site, which is per=tensor: "
        "leave per= out");
    format.per = Span::tensor;
  }
  check_outer_scale(format);
  check_codes(format);
  check_arithmetic(format);
  check_margin(format);
  check_fit(format);
  check_subblock(format);
  check_gptq(format, given);
  check_range(format);
  check_scale(format, given);
  check_rotation(format);
  check_smoothing(format);
  format.name = name_by_parts(format);
}

}  // namespace fakequant
