#include "gguf/channel_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "error.h"
#include "gguf/gguf_writer.h"
#include "gguf/input_names.h"
#include "gguf/tensor_pieces.h"
#include "gguf/tensor_type.h"
#include "parallel.h"

namespace fakequant {
namespace {

constexpr auto kChannelType = "channels";

void check_finite(const std::string& weight, const char* what, std::span<const float> values) {
  if (std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) return;
  throw Error(fmt::format("the {} of {} are not all finite", what, weight));
}

// The largest magnitude in each column of the weights.
std::vector<float> absmax_of_weights(const GgufModel& model, const InputChannels& input, int threads) {
  std::vector<float> absmax(input.absmax.size());
  for (const auto& name : input.weights) {
    const auto* found = model.find_tensor(name);
    if (found == nullptr || row_elements(*found) != static_cast<std::int64_t>(absmax.size())) {
      throw Error(fmt::format("{} has no {} of {} columns", model.path(), name, absmax.size()));
    }
    TensorPieces pieces;
    pieces.add(model.index_of(*found), *found, PieceCut::rows);
    const auto look = [&](std::int64_t i) {
      std::vector<float> of_piece(absmax.size());
      raise_to_rows(of_piece, read_piece_values(model, pieces[i]));
      return of_piece;
    };
    parallel_fold(pieces.size(), threads, look,
                  [&](std::int64_t, const std::vector<float>& of_piece) { raise_to_rows(absmax, of_piece); });
    check_finite(name, "values", absmax);
  }
  return absmax;
}

}  // namespace

void write_channels(OutputFile& output, const ChannelRecord& record, const GgufModel& model, int threads) {
  InputFileKeys keys{kChannelType, record.text, record.chunks, record.chunk_size, record.text_sample, {}};
  for (const auto& input : record.inputs) keys.weights.push_back(input.weights);
  GgufWriter file;
  add_input_keys(file, keys);
  for (const auto& input : record.inputs) {
    const auto& name = input.weights.front();
    check_finite(name, "inputs", input.absmax);
    const auto columns = static_cast<std::int64_t>(input.absmax.size());
    file.add_tensor(name + ".absmax", {columns}, input.absmax);
    file.add_tensor(name + ".weight_absmax", {columns}, absmax_of_weights(model, input, threads));
  }
  write_text(output, file.bytes());
}

ChannelFile::ChannelFile(const std::string& path) : file_(open_input_file(path, kChannelType, "channels of inputs")) {
  for (const auto& [weight, input] : read_input_names(file_, kChannelType)) {
    const auto* of_input = file_.find_tensor(input + ".absmax");
    const auto* of_weights = file_.find_tensor(input + ".weight_absmax");
    const bool is_whole = of_input != nullptr && of_weights != nullptr && is_float32(of_input->type) &&
                          is_float32(of_weights->type) && of_input->elements == of_weights->elements;
    if (!is_whole || of_input->elements == 0) {
      throw Error(fmt::format("{} is damaged: it has no channels {} for {}: make it again", path, input, weight));
    }
    inputs_[weight] = input;
  }
}

const std::string* ChannelFile::input_of(const std::string& weight) const {
  const auto found = inputs_.find(weight);
  return found == inputs_.end() ? nullptr : &found->second;
}

std::vector<float> ChannelFile::magnitudes(const std::string& name) const {
  const auto& tensor = *file_.find_tensor(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.elements));
  file_.read(tensor.begin, std::as_writable_bytes(std::span(values)));
  for (const float value : values) {
    if (std::isfinite(value) && value >= 0) continue;
    throw Error(fmt::format("{} is damaged: {} has the value {}: make it again", path(), name, value));
  }
  return values;
}

std::vector<float> ChannelFile::scales(const std::string& input, double alpha) const {
  return smoothing_scales(absmax(input), magnitudes(input + ".weight_absmax"), alpha);
}

}  // namespace fakequant
