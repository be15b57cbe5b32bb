#include "serve/request_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace fakequant {

Json parse_body(std::string_view body) {
  auto json = Json::parse(body, nullptr, false);
  if (!json.is_object()) throw bad_request("the body is no JSON object");
  return json;
}

const Json* find_field(const Json& body, const char* name) {
  const auto found = body.find(name);
  return found == body.end() || found->is_null() ? nullptr : &*found;
}

Refusal not_a(const char* name, const std::string& what) {
  return bad_request(fmt::format("'{}' must be {}", name, what));
}

bool flag_field(const Json& body, const char* name, bool otherwise) {
  const auto* field = find_field(body, name);
  if (field == nullptr) return otherwise;
  if (!field->is_boolean()) throw not_a(name, "true or false");
  return field->get<bool>();
}

double number_field(const Json& body, const char* name, double otherwise, double min, double max) {
  const auto* field = find_field(body, name);
  if (field == nullptr) return otherwise;
  const auto value = field->is_number() ? field->get<double>() : std::nan("");
  if (!(value >= min && value <= max)) throw not_a(name, fmt::format("a number from {} to {}", min, max));
  return value;
}

std::optional<std::int64_t> integer_in(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    return static_cast<std::int64_t>(std::min<std::uint64_t>(number, std::numeric_limits<std::int64_t>::max()));
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  constexpr double kExact = 9007199254740992;  // 2^53
  if (std::trunc(number) != number || std::abs(number) > kExact) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<std::int64_t> integer_field(const Json& body, const char* name, std::int64_t min, std::int64_t max) {
  const auto* field = find_field(body, name);
  if (field == nullptr) return std::nullopt;
  const auto value = integer_in(*field);
  if (!value || *value < min || *value > max) throw not_a(name, fmt::format("a whole number from {} to {}", min, max));
  return value;
}

std::string text_field(const Json& body, const char* name) {
  const auto* field = find_field(body, name);
  if (field == nullptr) return {};
  if (!field->is_string()) throw not_a(name, "a text");
  return field->get<std::string>();
}

void check_text(const std::string& text) {
  if (text.find('\0') != text.npos) throw bad_request("a text has a zero byte");
}

}  // namespace fakequant
