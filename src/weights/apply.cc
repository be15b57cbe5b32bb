#include "weights/apply.h"

#include <algorithm>
#include <map>

#include "gguf/tensor_pieces.h"
#include "parallel.h"
#include "weights/file_type.h"
#include "weights/model_output.h"
#include "weights/provenance_keys.h"
#include "weights/weight_rounding.h"

namespace fakequant {

std::vector<PlannedRounding> plan_rounding(const GgufModel& model, const Recipe& recipe,
                                           const ApplySettings& settings) {
  WeightRounding rounding(model, recipe, settings);
  std::vector<PlannedRounding> plan;
  for (const auto& [t, rounder] : rounding.rounders()) {
    plan.push_back({t, to_string(rounder.format()), rounding.storage_types().at(t)});
  }
  return plan;
}

std::set<std::string> changed_tensors(const ApplyResult& rounding) {
  std::set<std::string> names;
  for (const auto& tensor : rounding.tensors) {
    if (tensor.errors.changed > 0 || tensor.storage_moved > 0 || tensor.stored_as != tensor.type) {
      names.insert(tensor.name);
    }
  }
  return names;
}

Recipe default_weight_recipe() { return {parse_rule("w:ffn_norm=bf16,round=zero")}; }

ApplyResult apply_to_targets(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                             const std::vector<RewriteTarget>& targets, int threads, const Progress& progress) {
  WeightRounding rounding(model, recipe, settings);
  const auto& types = rounding.storage_types();
  ApplyResult result;
  result.model = model.path();
  for (const auto& target : targets) result.outputs.push_back(target.path);
  result.recipe = to_string(recipe);
  result.tensors_copied = static_cast<std::int64_t>(model.tensors().size() - types.size());

  rounding.find_scales(threads);
  TensorPieces pieces;
  std::map<std::size_t, std::size_t> result_of_tensor;
  for (const auto& [t, type] : types) {
    pieces.add(t, model.tensors()[t], rounding.cut(t));
    result_of_tensor[t] = result.tensors.size();
    result.tensors.push_back(rounding.description(t));
  }

  KeyChanges keys;
  if (settings.provenance) {
    keys.strings = provenance_keys(model, result.recipe, settings.hash_everything ? Hashed::files : Hashed::headers);
  }
  if (const auto number = changed_file_type(model, types)) keys.replaced["general.file_type"] = *number;
  const Rewrite rewrite(model, targets, types, keys);
  rewrite.write_headers();
  // Progress counts the bytes that both loops write.
  const auto copied = rewrite.copied_bytes();
  const auto part = static_cast<double>(copied) / static_cast<double>(std::max<std::uint64_t>(rewrite.size(), 1));
  const auto part_of_progress = [&](double begin, double share) {
    return progress ? Progress([=, &progress](double done) { progress(begin + share * done); }) : Progress();
  };
  // On one thread: the kernel lets one thread at a time write to a file.
  parallel_for(
      rewrite.copies(), 1, [&](std::int64_t i) { rewrite.copy(i); }, part_of_progress(0, part));

  const auto round_piece = [&](std::int64_t i) {
    const auto piece = pieces[i];
    auto rounded = rounding.round(piece);
    rewrite.write(piece, rounded.bytes);
    return rounded.errors;
  };
  const auto fold = [&](std::int64_t i, const TensorRounding& part_result) {
    add_piece(result.tensors[result_of_tensor[pieces[i].tensor]], part_result);
  };
  parallel_fold(pieces.size(), threads, round_piece, fold, part_of_progress(part, 1 - part));
  result.output_size = rewrite.size();
  return result;
}

ApplyResult apply_to_files(const GgufModel& model, const Recipe& recipe, const ApplySettings& settings,
                           const std::string& output, int threads, const Progress& progress) {
  ModelOutput files(model, output);
  auto result = apply_to_targets(model, recipe, settings, files.targets(), threads, progress);
  files.commit();
  return result;
}

}  // namespace fakequant
