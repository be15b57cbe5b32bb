#include "weights/compare.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"

namespace fakequant {
namespace {

// Sums over one pair of pieces, or over a tensor.
struct Differences {
  std::int64_t changed = 0;
  bool bytes_identical = true;
  double max_abs = 0, max_rel = 0, sum_abs = 0, sum_error2 = 0, sum_a2 = 0, sum_b2 = 0, sum_ab = 0;

  void add(const Differences& other) {
    changed += other.changed;
    bytes_identical = bytes_identical && other.bytes_identical;
    max_abs = std::max(max_abs, other.max_abs);
    max_rel = std::max(max_rel, other.max_rel);
    sum_abs += other.sum_abs;
    sum_error2 += other.sum_error2;
    sum_a2 += other.sum_a2;
    sum_b2 += other.sum_b2;
    sum_ab += other.sum_ab;
  }
};

Differences differences(std::span<const float> a, std::span<const float> b) {
  Differences d;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool both_nan = std::isnan(a[i]) && std::isnan(b[i]);
    d.changed += !both_nan && std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]);
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    const double error = std::fabs(x - y);
    if (!std::isfinite(error)) continue;
    d.max_abs = std::max(d.max_abs, error);
    if (x != 0) d.max_rel = std::max(d.max_rel, error / std::fabs(x));
    d.sum_abs += error;
    d.sum_error2 += error * error;
    d.sum_a2 += x * x;
    d.sum_b2 += y * y;
    d.sum_ab += x * y;
  }
  return d;
}

Differences compare_pieces(const GgufFile& a, const TensorPiece& piece_a, const GgufFile& b,
                           const TensorPiece& piece_b) {
  const auto type_a = a.tensors()[piece_a.tensor].type, type_b = b.tensors()[piece_b.tensor].type;
  const auto bytes_a = read_piece(a, piece_a), bytes_b = read_piece(b, piece_b);
  std::vector<float> values_a(static_cast<std::size_t>(piece_a.elements)), values_b(values_a.size());
  decode_values(type_a, bytes_a, values_a);
  decode_values(type_b, bytes_b, values_b);
  auto result = differences(values_a, values_b);
  result.bytes_identical = type_a == type_b && bytes_a == bytes_b;
  return result;
}

TensorComparison describe(const TensorInfo& a, const TensorInfo& b, const Differences& d) {
  const auto n = static_cast<double>(std::max<std::int64_t>(a.elements, 1));
  TensorComparison result;
  result.name = a.name;
  result.type_a = type_name(a.type);
  result.type_b = type_name(b.type);
  result.elements = a.elements;
  result.changed = d.changed;
  result.max_abs = d.max_abs;
  result.mean_abs = d.sum_abs / n;
  result.max_rel = d.max_rel;
  result.rmse = std::sqrt(d.sum_error2 / n);
  result.sqnr_db =
      d.sum_error2 == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(d.sum_a2 / d.sum_error2);
  result.cosine = d.changed == 0 && d.sum_a2 > 0 ? 1 : d.sum_ab / (std::sqrt(d.sum_a2) * std::sqrt(d.sum_b2));
  result.bytes_identical = d.bytes_identical;
  return result;
}

std::vector<std::string> metadata_differences(const GgufFile& a, const GgufFile& b) {
  std::vector<std::string> keys;
  for (const auto& entry : a.metadata()) {
    const auto* other = b.find_key(entry.key);
    if (other == nullptr || other->type != entry.type || a.value_bytes(entry) != b.value_bytes(*other)) {
      keys.push_back(entry.key);
    }
  }
  for (const auto& entry : b.metadata()) {
    if (a.find_key(entry.key) == nullptr) keys.push_back(entry.key);
  }
  return keys;
}

bool same_bytes(const GgufFile& a, const GgufFile& b) {
  if (a.size() != b.size()) return false;
  std::vector<std::byte> piece_a(1 << 20), piece_b(1 << 20);
  for (std::uint64_t at = 0; at < a.size(); at += piece_a.size()) {
    const auto count = std::min<std::uint64_t>(piece_a.size(), a.size() - at);
    a.read(at, std::span(piece_a).first(count));
    b.read(at, std::span(piece_b).first(count));
    if (!std::equal(piece_a.begin(), piece_a.begin() + static_cast<std::ptrdiff_t>(count), piece_b.begin()))
      return false;
  }
  return true;
}

}  // namespace

Comparison compare(const GgufFile& a, const GgufFile& b, int threads, const Progress& progress) {
  Comparison result;
  result.a = a.path();
  result.b = b.path();
  struct Pair {
    TensorPiece a, b;
    std::size_t tensor;  // index into pairs of tensors
  };
  std::vector<std::pair<const TensorInfo*, const TensorInfo*>> tensors;
  std::vector<Pair> pairs;
  for (std::size_t t = 0; t < a.tensors().size(); ++t) {
    const auto& tensor = a.tensors()[t];
    const auto* other = b.find_tensor(tensor.name);
    if (other == nullptr) {
      result.only_in_a.push_back(tensor.name);
    } else if (other->shape != tensor.shape) {
      result.reshaped.push_back(tensor.name);
    } else {
      const auto other_index = static_cast<std::size_t>(other - b.tensors().data());
      for (const auto& piece : tensor_pieces(a, t)) {
        pairs.push_back({piece, {other_index, piece.first_element, piece.elements}, tensors.size()});
      }
      tensors.emplace_back(&tensor, other);
    }
  }
  for (const auto& tensor : b.tensors()) {
    if (a.find_tensor(tensor.name) == nullptr) result.only_in_b.push_back(tensor.name);
  }

  std::vector<Differences> parts(pairs.size());
  const auto compare_pair = [&](std::int64_t pair) {
    const auto i = static_cast<std::size_t>(pair);
    parts[i] = compare_pieces(a, pairs[i].a, b, pairs[i].b);
  };
  parallel_for(static_cast<std::int64_t>(pairs.size()), threads, compare_pair, progress);
  std::vector<Differences> totals(tensors.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) totals[pairs[i].tensor].add(parts[i]);
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    result.tensors.push_back(describe(*tensors[t].first, *tensors[t].second, totals[t]));
    result.tensors_identical += result.tensors.back().bytes_identical;
  }
  result.metadata_differs = metadata_differences(a, b);
  result.identical = same_bytes(a, b);
  return result;
}

}  // namespace fakequant
