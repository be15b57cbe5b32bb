#include "weights/apply.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "error.h"
#include "gguf/output_file.h"
#include "gguf/rewrite.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "recipe/site_match.h"
#include "version.h"
#include "weights/tensor_rounding.h"

namespace fakequant {
namespace {

// What rounding one piece did; put together in the pieces' order.
struct PieceRounding {
  RoundingErrors errors;
  std::int64_t storage_moved = 0;
  double storage_max_abs = 0;
  std::int64_t storage_overflow = 0;
};

// The stored bytes of a piece after rounding.
std::vector<std::byte> round_piece(const GgufFile& file, const TensorPiece& piece, const TensorRounder& rounder,
                                   PieceRounding& result) {
  const auto type = file.tensors()[piece.tensor].type;
  auto values = read_piece_values(file, piece);
  result.errors = rounder.round(piece, values);
  std::vector<std::byte> bytes(piece_bytes(file, piece));
  encode_values(type, values, bytes);
  if (!is_float32(type)) {
    std::vector<float> stored(values.size());
    decode_values(type, bytes, stored);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == stored[i] || std::isnan(values[i])) continue;
      ++result.storage_moved;
      const auto moved = static_cast<double>(std::fabs(stored[i] - values[i]));
      if (std::isfinite(moved)) {
        result.storage_max_abs = std::max(result.storage_max_abs, moved);
      } else {
        ++result.storage_overflow;
      }
    }
  }
  return bytes;
}

std::vector<std::optional<std::size_t>> winning_rules(const GgufFile& file, const Recipe& recipe) {
  check_unsplit(file);
  std::vector<Site> sites;
  for (const auto& tensor : file.tensors()) sites.push_back({tensor.name, layer_of_tensor(tensor.name)});
  auto winners = match_sites(recipe, SiteKind::weight, sites, layer_count(file));
  for (std::size_t t = 0; t < winners.size(); ++t) {
    const auto& tensor = file.tensors()[t];
    if (!winners[t] || is_plain_float(tensor.type)) continue;
    throw usage_error(
        fmt::format("rule '{}' matches {}, which is stored as {}: only F32, F16 and BF16 tensors can be rounded",
                    to_string(recipe[*winners[t]]), tensor.name, type_name(tensor.type)));
  }
  return winners;
}

// A rounder for each tensor that a rule names, and the importance matrices that they look at.
class WeightRounding {
 public:
  WeightRounding(const GgufFile& file, const Recipe& recipe) {
    const auto winners = winning_rules(file, recipe);
    for (std::size_t t = 0; t < winners.size(); ++t) {
      if (!winners[t]) continue;
      const auto& format = recipe[*winners[t]].format;
      const auto& path = format.importance_file;
      if (!path.empty() && !matrices_.contains(path)) matrices_.try_emplace(path, path);
      rounders_.try_emplace(t, file, t, format, path.empty() ? nullptr : &matrices_.at(path));
    }
  }

  std::map<std::size_t, TensorRounder>& rounders() { return rounders_; }  // by tensor

 private:
  std::map<std::string, ImportanceMatrix> matrices_;
  std::map<std::size_t, TensorRounder> rounders_;
};

}  // namespace

void check_weight_rules(const GgufFile& file, const Recipe& recipe) { WeightRounding(file, recipe); }

Recipe default_weight_recipe() { return {parse_rule("w:ffn_norm=bf16,round=zero")}; }

ApplyResult apply_to_descriptor(const GgufFile& file, const Recipe& recipe, int out, const std::string& output,
                                int threads, const Progress& progress) {
  WeightRounding rounding(file, recipe);
  ApplyResult result;
  result.model = file.path();
  result.output = output;
  result.recipe = to_string(recipe);
  result.tensors_copied = static_cast<std::int64_t>(file.tensors().size() - rounding.rounders().size());

  std::vector<TensorPiece> pieces;
  std::map<std::size_t, std::size_t> result_of_tensor;
  for (auto& [t, rounder] : rounding.rounders()) {
    rounder.find_scale(threads);
    const auto more = rounder.pieces();
    pieces.insert(pieces.end(), more.begin(), more.end());
    result_of_tensor[t] = result.tensors.size();
    const auto& tensor = file.tensors()[t];
    result.tensors.push_back({tensor.name, type_name(tensor.type), to_string(rounder.format()), {}, 0, 0, 0});
  }

  const std::vector<StringKey> provenance = {
      {"fakequant.recipe", result.recipe},
      {"fakequant.version", version()},
      {"fakequant.source",
       fmt::format("{} ({} bytes)", std::filesystem::path(file.path()).filename().string(), file.size())}};
  std::vector<PieceRounding> parts(pieces.size());
  const auto replace = [&](std::size_t i) {
    return round_piece(file, pieces[i], rounding.rounders().at(pieces[i].tensor), parts[i]);
  };
  rewrite(file, out, output, provenance, pieces, replace, threads, progress);

  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto& tensor = result.tensors[result_of_tensor[pieces[i].tensor]];
    tensor.errors.add(parts[i].errors);
    tensor.storage_moved += parts[i].storage_moved;
    tensor.storage_overflow += parts[i].storage_overflow;
    tensor.storage_max_abs = std::max(tensor.storage_max_abs, parts[i].storage_max_abs);
  }
  struct stat status {};
  if (fstat(out, &status) == 0) result.output_size = static_cast<std::uint64_t>(status.st_size);
  return result;
}

ApplyResult apply_to_file(const GgufFile& file, const Recipe& recipe, const std::string& output, int threads,
                          const Progress& progress) {
  if (is_same_file(file.path(), output)) {
    throw usage_error(
        fmt::format("the output {} is the model itself, which is never written to: name another file", output));
  }
  OutputFile out(output);
  auto result = apply_to_descriptor(file, recipe, out.fd(), output, threads, progress);
  out.commit();
  return result;
}

}  // namespace fakequant
