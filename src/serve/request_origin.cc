#include "serve/request_origin.h"

#include <algorithm>
#include <string>

#include "lower_case.h"

namespace fakequant {
namespace {

bool is_all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// 127 and three further numbers.
bool is_loopback_number(std::string_view address) {
  int numbers = 0;
  for (std::size_t begin = 0; begin <= address.size(); ++numbers) {
    const auto end = std::min(address.find('.', begin), address.size());
    const auto number = address.substr(begin, end - begin);
    if (!is_all_digits(number) || number.size() > 3 || (numbers == 0 && number != "127")) return false;
    begin = end + 1;
  }
  return numbers == 4;
}

}  // namespace

bool is_loopback(std::string_view address) {
  return address == "::1" || lower_case(address) == "localhost" || is_loopback_number(address);
}

bool is_local_host(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == host.npos) return false;
    const auto rest = host.substr(end + 1);
    return host.substr(1, end - 1) == "::1" && (rest.empty() || (rest[0] == ':' && is_all_digits(rest.substr(1))));
  }
  const auto colon = host.find(':');
  if (colon != host.npos && !is_all_digits(host.substr(colon + 1))) return false;
  const auto name = host.substr(0, colon);
  return name != "::1" && is_loopback(name);
}

bool is_same_origin(std::string_view origin, std::string_view host) {
  return lower_case(origin) == "http://" + lower_case(host);
}

}  // namespace fakequant
