// The file of input channels that `calibrate --channels` writes and smooth= reads.
//
// It is a GGUF file without a model, of type ("general.type") "channels". Weights that read the same input share its
// channels, however many matrices each of them holds: the arrays channels.weights and channels.inputs give for each
// weight the name of its input, which is that of the first of these weights. For each input there are two F32 tensors
// with a value for each channel: INPUT.absmax, the largest |x_j| on the text, and INPUT.weight_absmax, the largest
// |w_j| in that column of all weights that read it. channels.datasets, channels.chunk_count and channels.chunk_size say
// what text it was measured on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "format/smoothing.h"
#include "gguf/gguf_file.h"
#include "gguf/gguf_model.h"
#include "gguf/output_file.h"

namespace fakequant {

// The input of one or several weights.
struct InputChannels {
  std::vector<std::string> weights;  // that read it
  std::vector<float> absmax;         // of each channel
};

struct ChannelRecord {
  std::string text;                // its name
  int chunks = 0, chunk_size = 0;  // of the text, and tokens in each
  std::vector<InputChannels> inputs;
  std::string text_sample = {};
};

// Writes the file, without committing it. The weights are those of the model. Throws an Error that names the weight if
// its inputs or its values were not finite.
void write_channels(OutputFile& output, const ChannelRecord& record, const GgufModel& model, int threads);

class ChannelFile {
 public:
  // Throws an Error if the file cannot be read or is not such a file.
  explicit ChannelFile(const std::string& path);

  const std::string& path() const { return file_.path(); }

  // The name of the input that the weight reads; null if the file does not have it.
  const std::string* input_of(const std::string& weight) const;

  // The largest magnitude of each channel of an input.
  std::vector<float> absmax(const std::string& input) const { return magnitudes(input + ".absmax"); }

  // s of each channel (format/smoothing.h). Both throw an Error for values that no magnitudes are.
  std::vector<float> scales(const std::string& input, double alpha) const;

 private:
  std::vector<float> magnitudes(const std::string& tensor) const;

  GgufFile file_;
  std::map<std::string, std::string> inputs_;  // by weight
};

}  // namespace fakequant
