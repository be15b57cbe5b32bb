// The text of generated tokens, as it may be sent: whole characters, and nothing of a text that stops it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

class GeneratedText {
 public:
  // None of `stops` may be empty.
  explicit GeneratedText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Appends a token's text. Returns what can be sent: all but what may become a stop or is a part of a character.
  std::string add(std::string_view piece);

  // Whether one of the stops came. It is no part of the text, and neither is what follows it.
  bool has_stopped() const { return has_stopped_; }

  // At the end: what add() held back.
  std::string finish();

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool has_stopped_ = false;
};

}  // namespace fakequant
