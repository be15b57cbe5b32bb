#include "measure/calibrate.h"

#include <map>
#include <utility>

#include "engine/context.h"
#include "error.h"
#include "measure/channel_collector.h"
#include "measure/hessian_collector.h"
#include "measure/importance_collector.h"
#include "measure/text_chunks.h"
#include "measure/text_windows.h"
#include "measure/value_recorder.h"

namespace fakequant {

Recipe default_calibration_recipe() { return {parse_rule("a:in(*)=bf16")}; }

CalibrationResult calibrate(const std::vector<std::string>& model_files, const Recipe& taps, const Text& text,
                            const CalibrateOptions& options, const Progress& progress) {
  const Model model(model_files, options.compute.devices, options.compute.arithmetic);
  const int ctx_size = choose_chunk_size(model, options.ctx_size);
  TextChunks chunks(model, text, ctx_size, options.chunks);
  Context context(model, context_options(ctx_size, options.compute), {});
  struct Recorded {
    int layer;
    ValueRecorder values;
  };
  std::map<std::string, Recorded> recorded;  // by the site's name
  context.observe(taps, [&](const ActivationSite& site, std::span<const float> values, std::int64_t columns) {
    auto found = recorded.find(site.site.name);
    if (found == recorded.end()) {
      Recorded empty{site.site.layer.value_or(-1), ValueRecorder(options.compute.threads, options.range)};
      found = recorded.emplace(site.site.name, std::move(empty)).first;
    }
    found->second.values.record(values, columns);
  });

  ImportanceCollector importance;
  HessianCollector hessians(options.compute.threads);
  ChannelCollector channels;
  if (options.importance || options.hessians || options.channels) {
    context.show_inputs([&](const ProductInput& input) {
      if (options.importance) importance.add(input);
      if (options.hessians) hessians.add(input);
      if (options.channels) channels.add(input);
    });
  }

  CalibrationResult result;
  result.model = model.path();
  result.text = text.name;
  result.ctx_size = ctx_size;
  result.range = to_string(options.range);
  TextWindows windows;
  while (const auto tokens = chunks.next()) {
    windows.add(*tokens);
    context.clear(static_cast<std::uint32_t>(result.chunks));
    hessians.begin_evaluation();
    channels.begin_evaluation();
    // All logits are asked for: else the last layer would be computed for some tokens only.
    context.evaluate(*tokens, {0, tokens->size()});
    for (auto& [name, of_site] : recorded) of_site.values.end_evaluation();
    result.chunks = chunks.taken();
    if (progress) progress(static_cast<double>(chunks.taken()) / chunks.expected());
  }
  result.tokens = static_cast<std::int64_t>(result.chunks) * ctx_size;
  result.text_sample = windows.sample();
  const auto add_result = [&](const std::string& name, const Recorded& of_site) {
    auto site = of_site.values.result();
    site.site = name;
    site.layer = of_site.layer;
    result.sites.push_back(std::move(site));
  };
  // In the graph's order, then the sites that only the graphs of these chunks have.
  for (const auto& site : context.sites()) {
    const auto found = recorded.find(site.site.name);
    if (found == recorded.end()) continue;
    add_result(found->first, found->second);
    recorded.erase(found);
  }
  for (const auto& [name, of_site] : recorded) add_result(name, of_site);
  if (options.importance) {
    result.importance = ImportanceSums{text.name, result.chunks, ctx_size, importance.weights(), result.text_sample};
    if (result.importance->weights.empty()) {
      throw Error("no importances were collected: the model multiplies with no weights of layers");
    }
  }
  if (options.hessians) {
    result.hessians = HessianSums{text.name, result.chunks, ctx_size, hessians.take(), result.text_sample};
    if (result.hessians->inputs.empty())
      throw Error("no Hessians were collected: the model multiplies with no weights");
  }
  if (options.channels) {
    result.channels = ChannelRecord{text.name, result.chunks, ctx_size, channels.take(), result.text_sample};
    if (result.channels->inputs.empty())
      throw Error("no channels were collected: the model multiplies with no weights");
  }
  if (result.sites.empty() && !taps.empty()) {
    throw Error("nothing was recorded: the text has none of the tokens that the rules name");
  }
  return result;
}

}  // namespace fakequant
