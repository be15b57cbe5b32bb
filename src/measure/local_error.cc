#include "measure/local_error.h"

#include <algorithm>
#include <cmath>

#include "error.h"
#include "format/fake_quantize.h"
#include "lower_case.h"

namespace fakequant {
namespace {

// The format of a kernel's own rounding ("F16", "Q8_0"); none where it does none, or it has no name here.
std::optional<Format> kernel_format(const ActivationSite& site) {
  for (const auto& reader : site.readers) {
    if (reader.weight.empty() || reader.rounds_to.empty() || reader.rounds_to == "F32") continue;
    try {
      const auto format = parse_format(lower_case(reader.rounds_to));
      check_row(format, site.shape[0]);
      return format;
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

void combine(double& mean, double other, double part) { mean += part * (other - mean); }

}  // namespace

void LocalError::add(const LocalError& other) {
  if (other.rows == 0) return;
  rows += other.rows;
  const double part = static_cast<double>(other.rows) / static_cast<double>(rows);
  combine(error, other.error, part);
  combine(shift, other.shift, part);
}

LocalError local_error(std::span<const float> before, std::span<const float> after, std::int64_t columns,
                       std::span<const double> weights) {
  LocalError result;
  const auto width = static_cast<std::size_t>(columns);
  for (std::size_t row = 0; row < before.size(); row += width) {
    double signal = 0, error = 0, cross = 0;
    for (std::size_t c = 0; c < width; ++c) {
      const double weight = weights.empty() ? 1 : weights[c];
      const double x = static_cast<double>(before[row + c]);
      const double d = static_cast<double>(after[row + c]) - x;
      signal += weight * x * x;
      error += weight * d * d;
      cross += weight * x * d;
    }
    if (!(signal > 0) || !std::isfinite(signal)) continue;
    ++result.rows;
    const bool is_known = std::isfinite(error);
    result.error += is_known ? error / signal : 1;
    result.shift += is_known ? cross / signal : -1;
  }
  if (result.rows == 0) return result;
  const auto rows = static_cast<double>(result.rows);
  result.error /= rows;
  result.shift /= rows;
  return result;
}

void ColumnShares::add(std::span<const float> values, std::int64_t columns) {
  const auto width = static_cast<std::size_t>(columns);
  sums.resize(width);
  for (std::size_t row = 0; row < values.size(); row += width) {
    double signal = 0;
    for (std::size_t c = 0; c < width; ++c) {
      signal += static_cast<double>(values[row + c]) * static_cast<double>(values[row + c]);
    }
    if (!(signal > 0) || !std::isfinite(signal)) continue;
    ++rows;
    for (std::size_t c = 0; c < width; ++c) {
      sums[c] += static_cast<double>(values[row + c]) * static_cast<double>(values[row + c]) / signal;
    }
  }
}

LocalErrorMeter::LocalErrorMeter(Context& context, const Recipe& rules, WeighColumns weigh,
                                 std::function<bool(const ActivationSite&)> is_wanted)
    : context_(context), weigh_(std::move(weigh)), errors_(rules.size()) {
  context_.round_copies(
      rules, [this](std::size_t rule, const ActivationSite& site, std::span<const float> before,
                    std::span<const float> after, std::int64_t columns) { look(rule, site, before, after, columns); });
  const auto choose = [is_wanted = std::move(is_wanted)](const Graph&, const std::vector<ActivationSite>& sites) {
    std::vector<ActivationSite> chosen;
    std::copy_if(sites.begin(), sites.end(), std::back_inserter(chosen), is_wanted);
    return chosen;
  };
  context_.show_values(choose, [this](const ActivationSite& site, std::span<const float> values, std::int64_t columns) {
    const auto width = reading_of(site).weights.size();
    shares_[site.site.name].add(values, width == 0 ? columns : static_cast<std::int64_t>(width));
  });
}

LocalErrorMeter::~LocalErrorMeter() {
  context_.round_copies({}, {});
  context_.show_values({}, {});
}

const LocalErrorMeter::Reading& LocalErrorMeter::reading_of(const ActivationSite& site) {
  const auto found = readings_.find(site.site.name);
  if (found != readings_.end()) return found->second;
  return readings_[site.site.name] = {weigh_(site), kernel_format(site)};
}

void LocalErrorMeter::look(std::size_t rule, const ActivationSite& site, std::span<const float> before,
                           std::span<const float> after, std::int64_t columns) {
  const auto& reading = reading_of(site);
  if (!reading.weights.empty()) columns = static_cast<std::int64_t>(reading.weights.size());
  before_.assign(before.begin(), before.end());
  after_.assign(after.begin(), after.end());
  if (reading.kernel) {
    Placement rows;
    rows.row = columns;
    round_values(*reading.kernel, before_, rows);
    round_values(*reading.kernel, after_, rows);
  }
  errors_[rule].add(local_error(before_, after_, columns, reading.weights));
}

}  // namespace fakequant
