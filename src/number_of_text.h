// The number that all of a text is, such as the digits of "int4" and of "recent:128".
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace fakequant {

// No value for a text that is empty, has anything beside the number, even a space or a plus sign, or is out of range.
template <typename Number>
std::optional<Number> number_of_text(std::string_view text) {
  Number number{};
  const auto* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, number);
  if (fault != std::errc{} || stop != end) return std::nullopt;
  return number;
}

}  // namespace fakequant
