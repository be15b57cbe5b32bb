// libFuzzer's target for the C interface of the formats: the first line is the text of a format, three bytes are
// columns, rows of a token and a position, and the rest is an array to round. Whatever they are, the calls must keep
// what fakequant.h promises.
#include <fakequant/fakequant.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// A failure has left one line.
void require_line() {
  const std::string_view line = fakequant_last_error();
  require(!line.empty() && line.find('\n') == line.npos);
}

// What is said of a format that was parsed.
void ask_about(const fakequant_format* format) {
  const std::string text = fakequant_text(format);
  auto* again = fakequant_parse(text.c_str());
  require(again != nullptr && text == fakequant_text(again));
  fakequant_free(again);
  require(fakequant_facts_of(format) != nullptr);
  const auto codes = fakequant_code_count(format);
  require(codes > 0);
  std::vector<double> values(256);
  const auto some = codes < 256 ? codes : 256;
  require(fakequant_code_values(format, codes - some, some, values.data()) == 0);
  require(fakequant_code_values(format, codes, 1, values.data()) != 0);
}

// Rounds the same values twice, which must give the same, or refuse them and leave them alone.
void round_twice(const fakequant_format* format, std::string_view shape, std::string_view bytes) {
  std::vector<float> before(bytes.size() / sizeof(float));
  if (!before.empty()) std::memcpy(before.data(), bytes.data(), before.size() * sizeof(float));
  const auto columns = static_cast<unsigned char>(shape[0]);
  const auto rows = columns == 0 ? 0 : static_cast<std::int64_t>(before.size()) / columns;
  const fakequant_place place = {static_cast<signed char>(shape[1]), nullptr, static_cast<unsigned char>(shape[2])};
  auto first = before, second = before;
  std::int64_t saturated = -1;
  const int failed = fakequant_round(format, first.data(), rows, columns, &place, &saturated);
  require(failed == fakequant_round(format, second.data(), rows, columns, &place, nullptr));
  const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
    return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  };
  require(same(first, second));
  if (failed != 0) {
    require(same(first, before));
    require_line();
  } else {
    require(saturated >= 0 && saturated <= rows * columns);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto end = all.find('\n');
  const std::string text(all.substr(0, end));
  if (text.find("lookup") != text.npos) return 0;  // reads any file that there is, also one that never ends
  auto* format = fakequant_parse(text.c_str());
  if (format == nullptr) {
    require_line();
    return 0;
  }
  ask_about(format);
  if (end != all.npos && all.size() >= end + 4) round_twice(format, all.substr(end + 1, 3), all.substr(end + 4));
  fakequant_free(format);
  return 0;
}
