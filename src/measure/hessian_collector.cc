#include "measure/hessian_collector.h"

#include <fmt/format.h>

#include <cstddef>

#include "error.h"

namespace fakequant {
namespace {

constexpr std::size_t kGatheredRows = 256;

}  // namespace

HessianCollector::Reader& HessianCollector::reader_of(const ProductInput& input) {
  const auto found = readers_.find(input.weight);
  if (found != readers_.end()) return found->second;
  const Source source = {input.source, {input.matrices, input.row.size()}};
  const auto [at, is_new] = sources_.try_emplace(source, inputs_.size());
  if (is_new) {
    auto& added = inputs_.emplace_back();
    const auto matrices = static_cast<std::size_t>(input.matrices);
    for (std::size_t m = 0; m < matrices; ++m) added.matrices.emplace_back(static_cast<std::int64_t>(input.row.size()));
    gathered_.emplace_back(matrices);
  }
  inputs_[at->second].weights.push_back(input.weight);
  return readers_[input.weight] = {at->second, 0};
}

void HessianCollector::add(const ProductInput& input) {
  auto& reader = reader_of(input);
  ++reader.rows;
  if (inputs_[reader.input].weights.front() != input.weight) return;
  const auto matrix = static_cast<std::size_t>(input.matrix);
  auto& rows = gathered_[reader.input][matrix];
  rows.insert(rows.end(), input.row.begin(), input.row.end());
  if (rows.size() >= kGatheredRows * input.row.size()) add_gathered(reader.input, matrix);
}

void HessianCollector::add_gathered(std::size_t input, std::size_t matrix) {
  auto& rows = gathered_[input][matrix];
  if (!rows.empty()) inputs_[input].matrices[matrix].add(rows, threads_);
  rows.clear();
}

std::vector<InputHessian> HessianCollector::take() {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    for (std::size_t m = 0; m < gathered_[i].size(); ++m) add_gathered(i, m);
  }
  for (const auto& [weight, reader] : readers_) {
    const auto& first = inputs_[reader.input].weights.front();
    if (reader.rows != readers_.at(first).rows) {
      throw Error(fmt::format("{} read {} rows, and {}, of the same input, {}: their Hessians cannot be shared", weight,
                              reader.rows, first, readers_.at(first).rows));
    }
  }
  gathered_.clear();
  readers_.clear();
  sources_.clear();
  return std::move(inputs_);
}

}  // namespace fakequant
