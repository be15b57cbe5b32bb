// Properties of formats that callers need to know: which values share a scale, and what must be known to round them.
//
// They follow from a format's parts. Code elsewhere calls these functions and never compares names.
#pragma once

#include <string>
#include <vector>

#include "format/format.h"

namespace fakequant {

// Weights and activations have different default spans.
enum class ScaledAs { weight, activation };

// The span that shares a scale; by default a row of a weight and all rows of a token.
Span span_of_scale(const Format& format, ScaledAs scaled);

// Throws a usage error where a scale of this format cannot span such values.
void check_span(const Format& format, ScaledAs scaled);

// The format with the span filled in for an activation.
Format for_activation(Format format);

// Whether the element is a list of values.
bool is_codebook(const Format& format);

// Whether values are divided by a scale that the format finds. Not for block types, which have their own.
bool has_scale(const Format& format);

// Whether codes are whole numbers that count float scales (IntegerScale).
bool has_integer_scale(const Format& format);

// Whether blocks are those of OCP MX: E8M0 scales, found with NaN and infinity (round_mx_block).
bool is_microscaled(const Format& format);

// Whether an element is scaled to the absmax of finite values (FloatScale, round_scaled_block).
bool has_float_scale(const Format& format);

// Whether range= says how the outermost scale is found.
bool finds_range(const Format& format);

// Whether the range of a group is the one under which the output of the weight's product changes least, range=output.
// What rounds values without the Hessians of the product's inputs (weights/output_clipping.h) cannot find it.
bool finds_range_by_output(const Format& format);

// Whether the range of the outermost scale is fixed beforehand, and not found from the values.
bool has_static_range(const Format& format);

// Whether that range is in a file: one of ranges, or where it names none that of smooth=.
bool needs_range_file(const Format& format);

// Whether rows are rotated before they are rounded, and rotated back.
bool is_rotated(const Format& format);

// Whether columns are multiplied by the factors of smooth=.
bool is_smoothed(const Format& format);

// Whether those of a matrix are multiplied by the factors of awq=.
bool uses_awq(const Format& format);

// Whether columns are multiplied by factors of either kind before they are rounded, and divided by them afterwards.
// What rounds values without the factors (Placement::column_factors) rounds them as they are.
bool has_column_factors(const Format& format);

// Throws a usage error for factors of columns and range=output, where values are rounded that belong to no model.
void refuse_what_needs_products(const Format& format);

// Whether a value's result depends on nothing but the value: not on its neighbours nor on its position.
bool rounds_values_independently(const Format& format);

// Whether rows must be rounded as wholes. If not, values can be rounded in pieces of any length.
bool needs_whole_rows(const Format& format);

// Whether rounding a row needs to know which token it belongs to.
bool needs_token_layout(const Format& format);

// Whether one scale is shared by all values that are rounded together, across their rows.
bool shares_scale_across_rows(const Format& format);

// Whether one scale is shared by all values of a weight, so that it must be found before any of them is rounded.
bool shares_scale_across_tensor(const Format& format);

// Whether rows share scales in tiles: those must be found before any of their rows is rounded (TileScales).
bool shares_scale_in_tiles(const Format& format);

// Whether a matrix is rounded by the Hessian of its inputs, fit=gptq. What rounds values without their matrix rounds
// them to the nearest.
bool uses_hessian(const Format& format);

// Whether the format can only round with an importance matrix.
bool needs_importance(const Format& format);

// Whether it rounds at about the speed of memory: it searches for no scale, needs no Hessian, and is no other library's
// code.
bool rounds_fast(const Format& format);

// Whether the codes of values are known. Block types do not show theirs, and codes of rotated or multiplied values are
// none of the values that come of them.
bool has_codes(const Format& format);

// The parts of a format that are names of files, but for a list of values, which is read already; empty names, too.
std::vector<std::string*> file_parts(Format& format);

// The files that a format names: importance matrices, Hessians, recorded ranges, channels and lists of values.
std::vector<std::string> format_files(const Format& format);

}  // namespace fakequant
