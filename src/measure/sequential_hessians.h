// Hessians of inputs as the rounded layers before give them, which is GPTQ's own way (weights/gptq.h).
//
// The text goes through the model a layer at a time. The Hessians of a layer's inputs are collected while the layers
// before are rounded by the rules, with the Hessians that were collected of them, and the layer itself is not. So the
// rules, with all Hessians, round the model to the one that was met here.
#pragma once

#include <string>

#include "gguf/gguf_model.h"
#include "measure/calibrate.h"
#include "measure/calibration_result.h"
#include "measure/text.h"
#include "progress.h"
#include "recipe/rule.h"
#include "weights/apply.h"

namespace fakequant {

// Collects the Hessians that rules of weights take from `file`, which is not read. Rules that do not name it hold from
// the beginning. Weights outside the layers come before all layers or after them, as the graph multiplies with them.
// Throws as calibrate() does, and a usage error where no rule names the file, where one that does selects a tensor that
// no product multiplies with, and where a rounded weight would be stored in a quantized type or on a server.
CalibrationResult calibrate_in_sequence(const GgufModel& model, const Recipe& rules, const std::string& file,
                                        const ApplySettings& storage, const Text& text, const CalibrateOptions& options,
                                        const Progress& progress);

// Whether a rule takes something from that file.
bool names_file(const Rule& rule, const std::string& file);

}  // namespace fakequant
