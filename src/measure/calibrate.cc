#include "measure/calibrate.h"

#include <map>

#include "engine/context.h"
#include "error.h"
#include "measure/text_chunks.h"
#include "measure/value_recorder.h"

namespace fakequant {

Recipe default_calibration_recipe() { return {parse_rule("a:in(*)=bf16")}; }

CalibrationResult calibrate(const std::vector<std::string>& model_files, const Recipe& taps, const std::string& text,
                            const std::string& text_name, const CalibrateOptions& options, const Progress& progress) {
  check_recorded_range(options.range);
  const Model model(model_files, options.devices);
  const auto chunks = split_text(model, text, text_name, options.ctx_size, options.chunks);
  Context context(model, {chunks.ctx_size, options.threads}, {});
  std::map<std::string, ValueRecorder> recorders;
  context.set_recipe(taps, [&](const ActivationSite& site, std::span<const float> values, std::int64_t columns) {
    recorders.try_emplace(site.site.name, options.threads).first->second.record(values, columns);
  });

  CalibrationResult result;
  result.model = model.path();
  result.text = text_name;
  result.ctx_size = chunks.ctx_size;
  result.chunks = chunks.count;
  result.tokens = static_cast<std::int64_t>(chunks.count) * chunks.ctx_size;
  result.range = to_string(options.range);
  for (int number = 0; number < chunks.count; ++number) {
    const auto tokens = chunks.chunk(number);
    context.clear(static_cast<std::uint32_t>(number));
    // All logits are asked for: else the last layer would be computed for some tokens only.
    context.evaluate(tokens, {0, tokens.size()});
    if (progress) progress(static_cast<double>(number + 1) / chunks.count);
  }
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
