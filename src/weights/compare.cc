#include "weights/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "gguf/tensor_pieces.h"
#include "parallel.h"
#include "weights/converted_tensors.h"
#include "weights/tensor_source.h"
#include "weights/value_differences.h"
#include "weights/wide_values.h"

namespace fakequant {
namespace {

// Between two pieces, or two tensors.
struct Differences {
  ValueDifferences values;
  bool bytes_identical = true;

  void add(const Differences& other) {
    values.add(other.values);
    bytes_identical = bytes_identical && other.bytes_identical;
  }
};

// The exact values of what a tensor's `read` returned.
Buffer<long double> exact_values(const TensorSource& tensor, std::span<const std::byte> bytes,
                                 std::span<const float> values) {
  if (is_wide(tensor.type)) return wide_values(tensor.type, bytes);
  Buffer<long double> exact(values.size());
  std::copy(values.begin(), values.end(), exact.begin());
  return exact;
}

// Between the values [first, first + count) of both.
Differences compare_values(const TensorSource& a, const TensorSource& b, std::int64_t first, std::int64_t count) {
  Buffer<float> values_a(static_cast<std::size_t>(count)), values_b(values_a.size());
  const auto bytes_a = a.read(first, values_a), bytes_b = b.read(first, values_b);
  const bool same_bytes = a.type == b.type && b.scale.empty() && bytes_a == bytes_b;
  if (is_wide(a.type) || is_wide(b.type)) {
    return {wide_differences(exact_values(a, bytes_a, values_a), exact_values(b, bytes_b, values_b)), same_bytes};
  }
  return {value_differences(values_a, values_b), same_bytes};
}

TensorComparison describe(const TensorSource& a, const TensorSource& b, const Differences& differences) {
  const auto& d = differences.values;
  const auto n = static_cast<double>(std::max<std::int64_t>(a.elements, 1));
  TensorComparison result;
  result.name = a.name;
  result.name_b = b.stored_name;
  result.type_a = a.type;
  result.type_b = b.type;
  result.scale_b = b.scale;
  result.elements = a.elements;
  result.changed = d.changed;
  result.not_finite = d.not_finite;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  result.max_abs = d.not_finite > 0 ? infinity : d.max_abs;
  result.max_rel = d.not_finite > 0 ? infinity : d.max_rel;
  result.mean_abs = d.sum_abs / n;
  result.rmse = std::sqrt(d.sum_error2 / n);
  result.sqnr_db = d.sum_error2 == 0 ? infinity : 10 * std::log10(d.sum_a2 / d.sum_error2);
  const double sizes = std::sqrt(d.sum_a2) * std::sqrt(d.sum_b2);
  result.cosine = d.sum_error2 == 0 ? 1 : (sizes > 0 ? d.sum_ab / sizes : 0);
  result.bytes_identical = differences.bytes_identical;
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

bool same_bytes(const GgufFile& a, const GgufFile& b, int threads) {
  if (a.size() != b.size()) return false;
  constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;
  const auto blocks = static_cast<std::int64_t>((a.size() + kBlock - 1) / kBlock);
  bool same = true;
  const auto compare_block = [&](std::int64_t block) {
    const auto at = static_cast<std::uint64_t>(block) * kBlock;
    std::vector<std::byte> bytes_a(std::min(kBlock, a.size() - at)), bytes_b(bytes_a.size());
    a.read(at, bytes_a);
    b.read(at, bytes_b);
    return bytes_a == bytes_b;
  };
  parallel_fold(blocks, threads, compare_block, [&](std::int64_t, bool equal) { same = same && equal; });
  return same;
}

bool same_files(const GgufModel& a, const GgufModel& b, int threads) {
  if (a.parts().size() != b.parts().size()) return false;
  for (std::size_t part = 0; part < a.parts().size(); ++part) {
    if (!same_bytes(a.parts()[part], b.parts()[part], threads)) return false;
  }
  return true;
}

// Compares tensors of the same name and shape, and lists the others.
Comparison compare_tensors(const std::vector<TensorSource>& a, const std::vector<TensorSource>& b, int threads,
                           const Progress& progress) {
  Comparison result;
  std::map<std::string, const TensorSource*> names_b;
  for (const auto& tensor : b) names_b[tensor.name] = &tensor;
  struct Pair {
    const TensorSource *a, *b;
  };
  std::vector<Pair> pairs;
  TensorPieces pieces;  // their tensors are indices of pairs
  for (const auto& tensor : a) {
    const auto found = names_b.find(tensor.name);
    if (found == names_b.end()) {
      result.only_in_a.push_back(tensor.name);
      continue;
    }
    if (!found->second->not_comparable.empty()) {
      result.not_comparable.push_back({tensor.name, found->second->stored_name, found->second->not_comparable});
    } else if (found->second->shape == tensor.shape) {
      pieces.add(pairs.size(), tensor.elements);
      pairs.push_back({&tensor, found->second});
    } else {
      result.reshaped.push_back(tensor.name);
    }
    names_b.erase(found);
  }
  for (const auto& tensor : b) {
    if (names_b.contains(tensor.name)) result.only_in_b.push_back(tensor.name);
  }

  std::vector<Differences> totals(pairs.size());
  const auto compare_piece = [&](std::int64_t i) {
    const auto piece = pieces[i];
    return compare_values(*pairs[piece.tensor].a, *pairs[piece.tensor].b, piece.first_element, piece.elements);
  };
  const auto fold = [&](std::int64_t i, const Differences& piece) { totals[pieces[i].tensor].add(piece); };
  parallel_fold(pieces.size(), threads, compare_piece, fold, progress);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    result.tensors.push_back(describe(*pairs[i].a, *pairs[i].b, totals[i]));
    result.tensors_identical += result.tensors.back().bytes_identical;
  }
  return result;
}

}  // namespace

Comparison compare(const GgufModel& a, const GgufModel& b, int threads, const Progress& progress) {
  auto result = compare_tensors(gguf_tensors(a), gguf_tensors(b), threads, progress);
  result.a = a.path();
  result.b = b.path();
  result.metadata_differs = metadata_differences(a.first(), b.first());
  const auto all = static_cast<std::int64_t>(std::max(a.tensors().size(), b.tensors().size()));
  result.identical = result.tensors_identical == all && result.metadata_differs.empty() && same_files(a, b, threads);
  return result;
}

Comparison compare(const GgufModel& a, const SafetensorsModel& b, int threads, const Progress& progress) {
  auto result = compare_tensors(gguf_tensors(a), converted_tensors(b, a), threads, progress);
  result.a = a.path();
  result.b = b.path();
  return result;
}

}  // namespace fakequant
