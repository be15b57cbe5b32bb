// Whether a text that is evaluated is one that files of calibrate were made with: on it what they fit loses less than
// on others. Such files keep a sample of their text (text_windows.h).
#pragma once

#include <string>
#include <vector>

#include "format/format.h"
#include "measure/text_windows.h"

namespace fakequant {

// The windows of a text that was evaluated.
struct EvaluatedText {
  std::string name;
  TextWindows windows;
};

// What part of a text was calibrated on.
struct TextOverlap {
  std::string file;  // of calibrate
  std::string text;  // that was evaluated
  double share = 0;  // of its windows, about

  bool operator==(const TextOverlap&) const = default;
};

// Less may be phrases that many texts have.
inline constexpr double kLeastOverlap = 0.01;

// Of each file of calibrate that the formats name and that keeps a sample, with each text. Nothing of files without
// one: older files, and those of others.
std::vector<TextOverlap> find_overlaps(const std::vector<Format>& formats, const std::vector<EvaluatedText>& texts);

}  // namespace fakequant
