// Static ranges: what values the sites that rules name take while a text is read.
#pragma once

#include <string>
#include <vector>

#include "engine/compute_options.h"
#include "format/format.h"
#include "measure/calibration_result.h"
#include "measure/recorded_range.h"
#include "measure/text.h"
#include "progress.h"
#include "recipe/rule.h"

namespace fakequant {

struct CalibrateOptions {
  int ctx_size = 0;         // 0: min(512, what the model was trained for)
  int chunks = 0;           // 0: all that the text has
  RecordedRange range;      // how the range to use is chosen
  bool importance = false;  // collect an importance matrix, too
  bool hessians = false;    // and the Hessians of products' inputs
  bool channels = false;    // and the magnitudes of their channels
  ComputeOptions compute;
};

// What is calibrated without activation rules: whatever feeds a weight's matrix product.
Recipe default_calibration_recipe();

// Evaluates the text with the model and rounds nothing: `taps`, activation rules, select the values to record, whatever
// their formats; none may be given where an importance matrix is collected. Throws as evaluate does.
CalibrationResult calibrate(const std::vector<std::string>& model_files, const Recipe& taps, const Text& text,
                            const CalibrateOptions& options, const Progress& progress);

}  // namespace fakequant
