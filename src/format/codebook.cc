#include "format/codebook.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>
#include <fstream>
#include <mutex>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

// `values` are in order.
Codebook make_codebook(std::string name, std::string file, std::string source, std::vector<float> values) {
  Codebook codebook{std::move(name), std::move(file), std::move(source), std::move(values), {}};
  const auto& v = codebook.values;
  for (std::size_t i = 0; i + 1 < v.size(); ++i) {
    codebook.thresholds.push_back(static_cast<float>((static_cast<double>(v[i]) + static_cast<double>(v[i + 1])) / 2));
  }
  const auto beyond = [](double outermost, double neighbour) {
    return static_cast<float>(outermost + (outermost - neighbour) / 2);
  };
  codebook.low = std::min(0.0f, beyond(v.front(), v[1]));
  codebook.high = std::max(0.0f, beyond(v.back(), v[v.size() - 2]));
  return codebook;
}

// The lines of the file that hold values, in order of the values.
std::vector<float> read_values(const std::string& path) {
  std::ifstream file(path);
  const auto refuse = [&](const std::string& why) { return usage_error(fmt::format("lookup:{}: {}", path, why)); };
  if (!file) throw refuse(fmt::format("cannot read it: {}", std::strerror(errno)));
  struct Line {
    float value;
    std::size_t number;
  };
  std::vector<Line> lines;
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number) {
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == std::string::npos || text[begin] == '#') continue;
    const auto word = std::string_view(text).substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
    const auto digits = word.starts_with('+') ? word.substr(1) : word;
    const auto value = number_of_text<float>(digits);
    if (!value || !std::isfinite(*value)) {
      throw refuse(fmt::format("line {} is not one finite number that float32 can hold", number));
    }
    lines.push_back({*value + 0.0f, number});  // -0 is 0
    if (lines.size() > kLargestCodebook) throw refuse(fmt::format("more than {} values", kLargestCodebook));
  }
  if (file.bad()) throw refuse("cannot read it");
  if (lines.size() < 2) throw refuse(fmt::format("a codebook has at least 2 values, and this has {}", lines.size()));
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.value < b.value; });
  const auto twice =
      std::adjacent_find(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.value == b.value; });
  if (twice != lines.end()) {
    throw refuse(
        fmt::format("lines {} and {} have the same value, {}", twice->number, (twice + 1)->number, twice->value));
  }
  std::vector<float> values;
  for (const auto& line : lines) values.push_back(line.value);
  return values;
}

}  // namespace

float Codebook::largest() const { return std::max(std::fabs(values.front()), std::fabs(values.back())); }

int Codebook::bits() const { return static_cast<int>(std::bit_width(values.size() - 1)); }

const Codebook& nf4() {
  static const Codebook codebook =
      make_codebook("nf4", "", "QLoRA, arXiv 2305.14314, as in bitsandbytes",
                    {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
                     -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
                     0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
                     0.7229568362236023f, 1.0f});
  return codebook;
}

const Codebook& codebook_of_file(const std::string& path) {
  static std::mutex mutex;
  static std::deque<Codebook> known;
  auto values = read_values(path);
  const std::lock_guard lock(mutex);
  for (const auto& codebook : known) {
    if (codebook.file == path && codebook.values == values) return codebook;
  }
  return known.emplace_back(make_codebook("lookup:" + path, path, "a list of values", std::move(values)));
}

std::size_t index_in(const Codebook& codebook, float x) {
  const auto& borders = codebook.thresholds;
  return static_cast<std::size_t>(std::lower_bound(borders.begin(), borders.end(), x) - borders.begin());
}

float round_to_codebook(const Codebook& codebook, Rounding rounding, float x) {
  if (std::isnan(x)) return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) | 0x00400000u);
  const auto& values = codebook.values;
  const auto above = std::lower_bound(values.begin(), values.end(), x);
  const float up = above == values.end() ? values.back() : *above;
  const float down = above != values.end() && *above == x ? x : above == values.begin() ? values.front() : *(above - 1);
  switch (rounding) {
    case Rounding::up:
      return up;
    case Rounding::down:
      return down;
    case Rounding::zero:
      return x < 0 ? up : down;
    case Rounding::nearest:
    case Rounding::away:
    case Rounding::stochastic:
      break;
  }
  return values[index_in(codebook, x)];
}

bool is_beyond(const Codebook& codebook, float x) { return x < codebook.low || x > codebook.high; }

}  // namespace fakequant
