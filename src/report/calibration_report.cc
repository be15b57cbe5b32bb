#include "report/calibration_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {
namespace {

// The shortest decimal number that, read as a double and converted to float, gives x.
Json number(float x) {
  std::array<char, 32> digits;
  double shortest = x;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr;
  std::from_chars(digits.data(), end, shortest);
  return static_cast<float>(shortest) == x ? shortest : static_cast<double>(x);
}

Json numbers(const std::vector<float>& values) {
  auto json = Json::array();
  for (const float x : values) json.push_back(number(x));
  return json;
}

// [exponent of the first octave, [counts]], without empty octaves at both ends.
Json octaves_json(const ChannelOctaves& octaves) {
  const auto is_counted = [](std::uint32_t count) { return count != 0; };
  const auto first = std::find_if(octaves.begin(), octaves.end(), is_counted);
  const auto last = std::find_if(octaves.rbegin(), std::make_reverse_iterator(first), is_counted).base();
  const auto exponent = first == octaves.end() ? 0 : kFirstChannelOctave + (first - octaves.begin());
  return Json::array({exponent, Json(std::vector<std::uint32_t>(first, last))});
}

Json channels_json(const ChannelStatistics& channels, ChannelDetail detail) {
  Json json;
  json["absmax"] = numbers(channels.absmax);
  if (detail == ChannelDetail::absmax) return json;
  json["min"] = numbers(channels.min);
  json["max"] = numbers(channels.max);
  json["p50"] = numbers(channels.p50);
  json["p99"] = numbers(channels.p99);
  json["p99.9"] = numbers(channels.p999);
  json["octaves"] = Json::array();
  for (const auto& octaves : channels.octaves) json["octaves"].push_back(octaves_json(octaves));
  return json;
}

Json site_json(const CalibratedSite& site, ChannelDetail detail) {
  Json json;
  json["site"] = site.site;
  json["layer"] = site.layer < 0 ? Json(nullptr) : Json(site.layer);
  json["rows"] = site.rows;
  json["columns"] = site.columns == 0 ? Json(nullptr) : Json(site.columns);
  json["elements"] = site.elements;
  json["zeros"] = site.zeros;
  json["nans"] = site.nans;
  json["infs"] = site.infs;
  json["low"] = number(site.low);
  json["high"] = number(site.high);
  json["min"] = number(static_cast<float>(site.min));
  json["max"] = number(static_cast<float>(site.max));
  json["absmax"] = number(static_cast<float>(site.absmax));
  json["percentiles"] = Json::object();
  for (const auto& [percent, value] : site.percentiles) {
    json["percentiles"][fmt::format("{}", percent)] = number(static_cast<float>(value));
  }
  auto octaves = Json::array();
  for (const auto& [exponent, count] : site.octaves) octaves.push_back(Json::array({exponent, count}));
  json["histogram"] = {{"octaves", std::move(octaves)}};
  json["channels"] = site.columns == 0 ? Json(nullptr) : channels_json(site.channels, detail);
  return json;
}

// How many weights read the inputs.
template <typename Input>
std::int64_t weights_of(const std::vector<Input>& inputs) {
  std::int64_t weights = 0;
  for (const auto& input : inputs) weights += static_cast<std::int64_t>(input.weights.size());
  return weights;
}

// Of Hessians or channels.
template <typename Collected>
Json inputs_json(const Collected& collected) {
  return {{"inputs", collected.inputs.size()}, {"weights", weights_of(collected.inputs)}, {"chunks", collected.chunks}};
}

// The file without its sites.
Json head_json(const CalibrationResult& result, const Provenance& provenance) {
  auto json = json_file("ranges", result.model, provenance);
  json["text"] = result.text;
  json["ctx_size"] = result.ctx_size;
  json["chunks"] = result.chunks;
  json["tokens"] = result.tokens;
  json["range"] = result.range;
  json["text_sample"] = result.text_sample;
  if (result.importance) {
    json["importance"] = {{"weights", result.importance->weights.size()}, {"chunks", result.importance->chunks}};
  }
  if (result.hessians) {
    json["hessians"] = inputs_json(*result.hessians);
    json["hessians"]["recipe"] = result.hessians->rules.empty() ? Json(nullptr) : Json(result.hessians->rules);
  }
  if (result.channels) json["channels"] = inputs_json(*result.channels);
  json["sites"] = Json::array();
  return json;
}

double percentile_of(const CalibratedSite& site, double percent) {
  const auto found = std::find_if(site.percentiles.begin(), site.percentiles.end(),
                                  [&](const auto& entry) { return entry.percent == percent; });
  return found == site.percentiles.end() ? std::numeric_limits<double>::quiet_NaN() : found->value;
}

}  // namespace

Json to_json(const CalibrationResult& result, const Provenance& provenance) {
  auto json = head_json(result, provenance);
  for (const auto& site : result.sites) json["sites"].push_back(site_json(site, ChannelDetail::all));
  return json;
}

std::string ranges_text(const CalibrationResult& result, const Provenance& provenance, ChannelDetail detail) {
  auto text = to_text(head_json(result, provenance));
  if (result.sites.empty()) return text;
  text.resize(text.rfind(']'));  // the end of the empty list of sites, the last field
  for (const auto& site : result.sites) {
    text += &site == &result.sites.front() ? "\n    " : ",\n    ";
    text += site_json(site, detail).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return text + "\n  ]\n}\n";
}

OutlierChannel worst_channel(const ChannelStatistics& channels) {
  constexpr auto kNan = std::numeric_limits<double>::quiet_NaN();
  OutlierChannel worst{-1, kNan, kNan};
  std::vector<float> sorted;
  for (std::size_t c = 0; c < channels.absmax.size(); ++c) {
    const float absmax = channels.absmax[c];
    if (std::isnan(absmax)) continue;
    sorted.push_back(absmax);
    if (worst.channel < 0 || absmax > worst.absmax) {
      worst.channel = static_cast<std::int64_t>(c);
      worst.absmax = absmax;
    }
  }
  if (sorted.empty()) return worst;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  worst.ratio = worst.absmax / static_cast<double>(*middle);
  return worst;
}

Table ranges_table(const CalibrationResult& result) {
  Table table({"site<", "rows", "columns", "low", "high", "absmax", "99.9 %", "99.99 %", "absmax / 99.9 %",
               "farthest channel", "/ median channel"});
  for (const auto& site : result.sites) {
    const double p999 = percentile_of(site, 99.9);
    const auto worst = worst_channel(site.channels);
    table.add_row({printable(site.site), count_text(site.rows), site.columns == 0 ? "-" : count_text(site.columns),
                   value_text(site.low), value_text(site.high), value_text(site.absmax), value_text(p999),
                   value_text(percentile_of(site, 99.99)), value_text(site.absmax / p999),
                   worst.channel < 0 ? "-" : fmt::format("{}", worst.channel), value_text(worst.ratio)});
  }
  return table;
}

namespace {

// What an importance matrix was collected of; empty where none was.
std::string importance_text(const CalibrationResult& result) {
  if (!result.importance) return {};
  std::int64_t unseen = 0, matrices = 0;
  for (const auto& [name, weight] : result.importance->weights) {
    matrices += static_cast<std::int64_t>(weight.counts.size());
    unseen += std::count(weight.counts.begin(), weight.counts.end(), 0);
  }
  auto text = fmt::format("Importances of {}, on {} in {} of {}.\n",
                          plural(static_cast<std::int64_t>(result.importance->weights.size()), "weight"),
                          plural(result.tokens, "token"), plural(result.chunks, "chunk"), result.ctx_size);
  if (unseen > 0) {
    text += fmt::format("{} of {} matrices got no token: all their columns count alike when they are quantized.\n",
                        count_text(unseen), count_text(matrices));
  }
  return text;
}

// "Hessians of 25 inputs, which 43 weights read, on ..."
template <typename Collected>
std::string inputs_text(const char* what, const Collected& collected, const CalibrationResult& result) {
  return fmt::format("{} of {}, which {} read, on {} in {} of {}.\n", what,
                     plural(static_cast<std::int64_t>(collected.inputs.size()), "input"),
                     plural(weights_of(collected.inputs), "weight"), plural(result.tokens, "token"),
                     plural(result.chunks, "chunk"), result.ctx_size);
}

// Likewise of Hessians.
std::string hessian_text(const CalibrationResult& result) {
  if (!result.hessians) return {};
  std::int64_t unseen = 0, matrices = 0;
  for (const auto& input : result.hessians->inputs) {
    matrices += static_cast<std::int64_t>(input.matrices.size());
    for (const auto& matrix : input.matrices) unseen += matrix.rows() == 0 ? 1 : 0;
  }
  auto text = inputs_text("Hessians", *result.hessians, result);
  if (!result.hessians->rules.empty()) {
    text += fmt::format("The layers before each were rounded by {}.\n", printable(result.hessians->rules));
  }
  if (unseen > 0) {
    text += fmt::format("{} of {} matrices got no token: fit=gptq rounds their weights to the nearest.\n",
                        count_text(unseen), count_text(matrices));
  }
  return text;
}

// What was collected beside ranges.
std::string collected_text(const CalibrationResult& result) {
  return importance_text(result) + hessian_text(result) +
         (result.channels ? inputs_text("Channels", *result.channels, result) : "");
}

}  // namespace

std::string to_text(const CalibrationResult& result) {
  if (result.sites.empty()) return collected_text(result);
  auto text =
      fmt::format("{}: {}, {} in {} of {}, range={}\n\n{}", result.model,
                  plural(static_cast<std::int64_t>(result.sites.size()), "site"), plural(result.tokens, "token"),
                  plural(result.chunks, "chunk"), result.ctx_size, result.range, ranges_table(result).to_text());
  std::string not_finite;
  for (const auto& site : result.sites) {
    if (site.nans + site.infs == 0) continue;
    not_finite += fmt::format("{} had {} and {}, which are left out.\n", printable(site.site), plural(site.nans, "NaN"),
                              plural(site.infs, "infinite value"));
  }
  if (!not_finite.empty()) text += "\n" + not_finite;
  const auto more = collected_text(result);
  return more.empty() ? text : text + "\n" + more;
}

}  // namespace fakequant
