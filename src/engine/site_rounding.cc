#include "engine/site_rounding.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "error.h"
#include "format/fake_quantize.h"
#include "format/format_properties.h"
#include "parallel.h"

namespace fakequant {
namespace {

constexpr auto kWayOut = "or leave it as it is by a later rule with mantissa23";

// Throws where the format needs the tokens of the values, and several share a row.
void check_rows_of_tokens(const TokenDimension& dimension, const Rule& rule) {
  if (dimension.kind != TokenDimension::mixed || rounds_values_independently(rule.format)) return;
  throw usage_error(
      fmt::format("its rows hold values of several tokens, so that rounding to {} would depend on which are evaluated "
                  "together: give it a format without a scale, a rotation or chance, {}",
                  to_string(rule.format), kWayOut));
}

// A row of scores has a value for each token in the cache, also for those that the query does not see. Who names the
// scores wants to know; a glob over all nodes rounds them as they are.
void check_scores(const Rule& rule) {
  const auto& format = rule.format;
  const auto& selector = rule.pattern.selector;
  const bool names_scores = selector.form == Selector::role && selector.text == kAttentionScoresRole;
  if (!names_scores || rounds_values_independently(format)) return;
  throw usage_error(
      fmt::format("a row of scores has values of tokens that the query does not see, so that rounding to {} would "
                  "depend on those: give it a format without a scale and without chance, or range=NUMBER, {}",
                  to_string(format), kWayOut));
}

// The input whose channels a file has for the weights that read the site's values.
const std::string& input_of(const ActivationSite& site, const ChannelFile& file) {
  const std::string* input = nullptr;
  if (site.site.feeds.empty()) {
    throw usage_error(fmt::format(
        "smooth= is for the inputs of products with weights, and it is none: leave smooth= out, {}", kWayOut));
  }
  for (const auto& weight : site.site.feeds) {
    const auto* of_weight = file.input_of(weight.name);
    if (of_weight == nullptr) {
      throw usage_error(fmt::format("{} lacks the channels of {}, which reads it: calibrate this model, {}",
                                    file.path(), weight.name, kWayOut));
    }
    if (input != nullptr && *input != *of_weight) {
      throw usage_error(
          fmt::format("{} has other channels for {} than for {}, which read the same values: calibrate "
                      "this model, {}",
                      file.path(), weight.name, site.site.feeds.front().name, kWayOut));
    }
    input = of_weight;
  }
  return *input;
}

// Sets the factors of the columns, and the scale of the range that follows from them.
void smooth(const ActivationSite& site, SiteRounding& rounding, const ChannelFile& file) {
  const auto& input = input_of(site, file);
  auto& factors = rounding.column_factors;
  factors = file.scales(input, rounding.format.smoothing.alpha);
  const auto columns = static_cast<std::int64_t>(factors.size());
  if (std::none_of(site.shapes.begin(), site.shapes.end(), [&](const auto& shape) { return shape[0] == columns; })) {
    throw usage_error(
        fmt::format("{} has {} channels for {}, and rows of {} values are read here: it was made for another model",
                    file.path(), columns, input, site.shape[0]));
  }
  for (auto& factor : factors) factor = 1 / factor;
  if (!needs_range_file(rounding.format)) return;
  auto absmax = file.absmax(input);
  scale_columns(factors, Turn::forward, absmax);
  const float largest = *std::max_element(absmax.begin(), absmax.end());
  rounding.static_scale = static_scale(rounding.format, {-largest, largest});
}

// Waking other threads costs more than rounding a few thousand values.
constexpr std::int64_t kWorthSharing = 1 << 15;

std::int64_t round_rows(const SiteRounding& rounding, float* values, const NodeShape& shape, int max_threads,
                        SiteCounters& counters) {
  // Each row's figures are its own, added in the order of the rows: neither threads nor batches change the sums.
  const auto columns = shape[0], rows = shape[1] * shape[2] * shape[3];
  count_rows(counters, rows * columns, columns);
  if (columns == 0) return 0;
  Placement placement;
  placement.scale = rounding.static_scale;
  const std::span<const float> factors = rounding.column_factors;
  std::vector<RoundingErrors> parts(static_cast<std::size_t>(rows));
  const int threads = rows * columns < kWorthSharing ? 1 : max_threads;
  const std::int64_t rows_a_piece = std::max<std::int64_t>(1, kWorthSharing / 4 / columns);
  parallel_for((rows + rows_a_piece - 1) / rows_a_piece, threads, [&](std::int64_t piece) {
    const auto end = std::min(rows, (piece + 1) * rows_a_piece);
    const auto width = static_cast<std::size_t>(columns);
    auto of_row = placement;
    for (auto row = piece * rows_a_piece; row < end; ++row) {
      const auto index = static_cast<std::size_t>(row);
      if (!factors.empty()) of_row.column_factors = factors.subspan(index * width % factors.size(), width);
      parts[index] = fake_quantize(rounding.format, {values + row * columns, width}, of_row);
    }
  });
  for (const auto& part : parts) counters.errors.add(part);
  return rows * columns;
}

std::int64_t round_tokens(const SiteRounding& rounding, float* values, const TokenLayout& layout, int max_threads,
                          SiteCounters& counters) {
  const auto values_of_token = layout.inner * layout.outer;
  if (values_of_token == 0) return 0;
  std::vector<std::size_t> chosen;
  for (std::size_t t = 0; t < layout.positions.size(); ++t) {
    if (rounding.tokens.contains(static_cast<std::uint32_t>(layout.positions[t]))) chosen.push_back(t);
  }
  const auto tokens = static_cast<std::int64_t>(chosen.size());
  count_rows(counters, tokens * values_of_token, layout.row);
  std::vector<RoundingErrors> parts(chosen.size());
  const int threads = values_of_token * tokens < kWorthSharing ? 1 : max_threads;
  parallel_for(tokens, threads, [&](std::int64_t index) {
    const auto part = static_cast<std::size_t>(index), token = chosen[part];
    Placement placement;
    placement.row = layout.row;
    placement.scale = rounding.static_scale;
    placement.column_factors = rounding.column_factors;
    placement.random = {rounding.random_key, layout.positions[token]};
    float* const first = values + static_cast<std::int64_t>(token) * layout.inner;
    if (layout.outer == 1) {
      parts[part] = fake_quantize(rounding.format, {first, static_cast<std::size_t>(values_of_token)}, placement);
      return;
    }
    std::vector<float> together(static_cast<std::size_t>(values_of_token));
    const auto run = [&](std::int64_t o) { return first + o * layout.tokens * layout.inner; };
    for (std::int64_t o = 0; o < layout.outer; ++o) {
      std::copy_n(run(o), layout.inner, together.begin() + o * layout.inner);
    }
    parts[part] = fake_quantize(rounding.format, together, placement);
    for (std::int64_t o = 0; o < layout.outer; ++o) {
      std::copy_n(together.begin() + o * layout.inner, layout.inner, run(o));
    }
  });
  for (const auto& part : parts) counters.errors.add(part);
  return tokens * values_of_token;
}

}  // namespace

void check_token_choice(const TokenDimension& dimension, const Rule& rule) {
  if (dimension.kind == TokenDimension::found || rule.pattern.tokens.is_all()) return;
  throw usage_error(
      fmt::format("its values belong to no token, or to several together, so that tokens: cannot pick some of them: "
                  "leave that out, {}",
                  kWayOut));
}

SiteRounding make_site_rounding(const ActivationSite& site, const Rule& rule, const TokenDimension& dimension,
                                SiteFiles& files) {
  const auto& name = site.site.name;
  SiteRounding rounding{for_activation(site.site.is_cache_write ? for_cache(rule.format) : rule.format),
                        rule.pattern.tokens,
                        dimension,
                        {},
                        {},
                        random_key(rule.format.seed, name)};
  const auto& [sink, recent, group] = rule.cache_tokens;
  if (group > 0) {
    rounding.token_dimension = {TokenDimension::none, 0, false, {}};  // rows are channels (channel_groups.h)
  } else if (sink > 0) {
    rounding.tokens = parse_tokens(fmt::format("{}-", sink));
  }
  about(name, [&] {
    check_token_choice(dimension, rule);
    check_rows_of_tokens(dimension, rule);
    check_row(rule.format, site.shape[0]);
    check_scores(rule);
  });
  if (is_smoothed(rule.format)) {
    const auto& file = rule.format.smoothing.file;
    const auto& channels = files.channels.try_emplace(file, file).first->second;
    about(name, [&] { smooth(site, rounding, channels); });
  } else if (needs_range_file(rule.format)) {
    const auto& file = rule.format.range.file;
    const auto& ranges = files.ranges.try_emplace(file, file).first->second;
    rounding.static_scale = static_scale(rounding.format, ranges.at(name));
  }
  return rounding;
}

SiteCounters counters_of(const ActivationSite& site, const Rule& rule, int layers) {
  SiteCounters counters;
  counters.site = site.site.name;
  counters.layer = site.site.layer.value_or(-1);
  counters.format = format_text(rule);
  counters.tokens = to_string(rule.pattern.tokens);
  counters.cache_tokens = rule.cache_tokens;
  counters.readers = site.readers;
  counters.other_readers = other_readers(rule, site, layers);
  return counters;
}

void count_rows(SiteCounters& counters, std::int64_t values, std::int64_t columns) {
  if (columns == 0) return;
  counters.columns = counters.rows == 0 || counters.columns == columns ? columns : 0;
  counters.rows += values / columns;
}

std::int64_t round_site(const SiteRounding& rounding, float* values, const NodeShape& shape, const TokenBatch& batch,
                        int threads, SiteCounters& counters) {
  if (rounds_values_independently(rounding.format) && rounding.tokens.is_all()) {
    return round_rows(rounding, values, shape, threads, counters);
  }
  const auto layout = token_layout(shape, rounding.token_dimension, batch);
  if (needs_token_layout(rounding.format) || !rounding.tokens.is_all() || layout.inner < layout.row) {
    return round_tokens(rounding, values, layout, threads, counters);
  }
  return round_rows(rounding, values, shape, threads, counters);
}

}  // namespace fakequant
