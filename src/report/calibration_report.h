// The ranges recorded at a model's sites: as the file that range=static:FILE reads, and as a table.
#pragma once

#include <string>

#include "measure/calibration_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const CalibrationResult& result, const Provenance& provenance);

// What the file says of each channel: all takes ten times as much as absmax.
enum class ChannelDetail { absmax, all };

// The text of that file, with one line for each site, however many channels it has. It is made site by site, which
// takes less memory than to_text(to_json(result)).
std::string ranges_text(const CalibrationResult& result, const Provenance& provenance, ChannelDetail detail);

// The index of the channel with the largest magnitude, and the ratio of that magnitude to the median over the channels.
// Channels without a finite value are left out; -1 and NaN if there are no others.
struct OutlierChannel {
  std::int64_t channel = -1;
  double absmax = 0;
  double ratio = 0;
};
OutlierChannel worst_channel(const ChannelStatistics& channels);

// A row for each site: the range of its values, and percentiles of their magnitudes.
Table ranges_table(const CalibrationResult& result);

// The table, and the sites with NaN or infinite values, for the terminal.
std::string to_text(const CalibrationResult& result);

}  // namespace fakequant
