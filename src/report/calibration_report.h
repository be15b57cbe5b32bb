// What was recorded at a model's sites: as the file of ranges that range=static:FILE reads, and as a table.
#pragma once

#include <string>

#include "measure/calibration_result.h"
#include "report/json_file.h"
#include "report/table.h"

namespace fakequant {

Json to_json(const CalibrationResult& result, const Provenance& provenance);

// The text of that file, with a line for each site: long ones, as a site may have many thousand channels. Made a site
// at a time, it takes less memory than to_text(to_json(result)), too.
std::string ranges_text(const CalibrationResult& result, const Provenance& provenance);

// The channel that reaches farthest, by its index, and how many times as far as the middle one of them. Channels
// without a finite value are left out; -1 and not a number where there is none.
struct OutlierChannel {
  std::int64_t channel = -1;
  double absmax = 0;
  double ratio = 0;
};
OutlierChannel worst_channel(const ChannelStatistics& channels);

// A row a site: how far its values reach, and how far most of them do.
Table ranges_table(const CalibrationResult& result);

// The table, and where values were NaN or infinite, for the terminal.
std::string to_text(const CalibrationResult& result);

}  // namespace fakequant
