// Studies: files that collect the measurements of sweeps (docs/studies.md).
#pragma once

#include <fakequant/export.h>

#include <fakequant/figures.hpp>
#include <optional>
#include <string>
#include <vector>

namespace fakequant::FAKEQUANT_V0 {

// A variant of a study, and what was measured of it.
struct StudyVariant {
  std::string rule;
  std::string site, format;
  std::optional<int> layer;             // none: all layers that the site names
  std::optional<double> bits;           // of a value in the format
  int chunks = 0;                       // measured; 0: it was predicted, or nothing is known of it yet
  DivergenceFigures figures;            // over these; of the quantiles only the maximum
  bool has_overflow = false;            // a logit was NaN or infinite: there are no figures
  std::optional<double> predicted_kld;  // mean divergence in nats, before it was measured
};

// What a study, or a run of a sweep, holds.
struct Study {
  std::string model;               // its path, as first given
  std::vector<std::string> texts;  // likewise
  int layers = 0;
  int ctx_size = 0;             // tokens
  bool is_interrupted = false;  // of a run of a sweep: it was stopped before its end
  Estimate baseline_ppl;
  std::vector<StudyVariant> variants;
  std::vector<std::string> notes;  // of a run of a sweep: what was left out, in sentences
};

// Reads a study whole. Throws an Error if the file is none.
FAKEQUANT_API Study read_study(const std::string& path);

}  // namespace fakequant::FAKEQUANT_V0
