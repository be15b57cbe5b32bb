#include "measure/calibrate.h"

#include <map>

#include "engine/context.h"
#include "error.h"
#include "measure/text_chunks.h"
#include "measure/value_recorder.h"

namespace fakequant {

Recipe default_calibration_recipe() { return {parse_rule("a:in(*)=bf16")}; }

CalibrationResult calibrate(const std::vector<std::string>& model_files, const Recipe& taps, const Text& text,
                            const CalibrateOptions& options, const Progress& progress) {
  check_recorded_range(options.range);
  const Model model(model_files, options.compute.devices);
  const int ctx_size = choose_chunk_size(model, options.ctx_size);
  TextChunks chunks(model, text, ctx_size, options.chunks);
  Context context(model, {.ctx_size = ctx_size, .threads = options.compute.threads}, {});
  std::map<std::string, ValueRecorder> recorders;
  context.set_recipe(taps, [&](const ActivationSite& site, std::span<const float> values, std::int64_t columns) {
    recorders.try_emplace(site.site.name, options.compute.threads).first->second.record(values, columns);
  });

  CalibrationResult result;
  result.model = model.path();
  result.text = text.name;
  result.ctx_size = ctx_size;
  result.range = to_string(options.range);
  while (const auto tokens = chunks.next()) {
    context.clear(static_cast<std::uint32_t>(result.chunks));
    // All logits are asked for: else the last layer would be computed for some tokens only.
    context.evaluate(*tokens, {0, tokens->size()});
    result.chunks = chunks.taken();
    if (progress) progress(static_cast<double>(chunks.taken()) / chunks.expected());
  }
  result.tokens = static_cast<std::int64_t>(result.chunks) * ctx_size;
  for (const auto& counters : context.counters()) {
    const auto recorder = recorders.find(counters.site);
    if (recorder == recorders.end()) continue;  // nothing came by: an expert that was never chosen
    auto site = recorder->second.result(options.range);
    site.site = counters.site;
    site.layer = counters.layer;
    result.sites.push_back(std::move(site));
  }
  if (result.sites.empty()) {
    throw Error("nothing was recorded: the text has none of the tokens that the rules name");
  }
  return result;
}

}  // namespace fakequant
