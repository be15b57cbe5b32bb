#include "serve/generated_text.h"

#include <algorithm>
#include <utility>

#include "characters.h"

namespace fakequant {

std::string GeneratedText::add(std::string_view piece) {
  if (has_stopped_) return {};
  held_ += piece;
  auto first = std::string::npos;
  for (const auto& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    has_stopped_ = true;
    held_.resize(first);
    return std::exchange(held_, {});
  }
  std::size_t kept = incomplete_bytes(held_);
  for (const auto& stop : stops_) {
    for (auto length = std::min(stop.size() - 1, held_.size()); length > kept; --length) {
      if (held_.ends_with(std::string_view(stop).substr(0, length))) kept = length;
    }
  }
  auto sent = held_.substr(0, held_.size() - kept);
  held_.erase(0, sent.size());
  return sent;
}

std::string GeneratedText::finish() { return std::exchange(held_, {}); }

}  // namespace fakequant
