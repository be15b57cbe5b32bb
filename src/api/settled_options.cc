#include "api/settled_options.h"

#include <fmt/format.h>

#include "engine/processors.h"
#include "error.h"
#include "gguf/tensor_type.h"
#include "measure/prepared_variants.h"

namespace fakequant::v0 {

fakequant::ComputeOptions settled_compute(const ComputeOptions& options, Arithmetic otherwise) {
  check_number("threads", options.threads);
  fakequant::ComputeOptions compute;
  compute.threads = options.threads > 0 ? options.threads : available_processors();
  compute.attention = options.attention;
  compute.devices = options.devices;
  compute.weight_memory = options.weight_memory;
  if (compute.weight_memory.value_or(0) < 0) throw usage_error("rounded weights cannot take less memory than none");
  compute.arithmetic = options.arithmetic ? *options.arithmetic : suitable_arithmetic(compute, otherwise);
  check_attention(compute.attention, compute.arithmetic);
  return compute;
}

ApplySettings settled_storage(const WeightStorage& storage, const fakequant::ComputeOptions& compute) {
  if (!storage.promote.empty() && storage.requantize) {
    throw usage_error("to promote quantized weights and to requantize them are two ways to store them: take one");
  }
  ApplySettings settings;
  if (!storage.promote.empty()) settings.promote_to = plain_float_type(storage.promote);
  settings.requantize = storage.requantize;
  return storage_to_compute_with(settings, compute);
}

std::vector<fakequant::Text> settled_texts(const std::vector<Text>& texts) {
  if (texts.empty()) throw usage_error("there is no text to measure on: give one");
  std::vector<fakequant::Text> settled;
  for (const auto& text : texts) {
    settled.push_back(text.content ? fakequant::Text{text.name, text.content} : text_file(text.name));
  }
  return settled;
}

void check_number(const char* what, int number, int least) {
  if (number < least) throw usage_error(fmt::format("{} {} are too few: give {} or more", number, what, least));
}

}  // namespace fakequant::v0
