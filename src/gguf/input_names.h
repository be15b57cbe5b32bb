// What the files of calibrate about products' inputs have in common (channel_file.h, weights/hessian_file.h): what they
// are, the text that was read, and which input each weight reads.
//
// An input has the name of the first weight that reads it. The keys are general.type, and after the type's name
// .datasets .chunk_count .chunk_size .text_sample, and .weights and .inputs: arrays with an entry for each weight.
// .text_sample tells the text from others (measure/text_windows.h); importance matrices have it, too.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/gguf_writer.h"

namespace fakequant {

struct InputFileKeys {
  std::string_view type;
  std::string text;                               // its name
  int chunks = 0, chunk_size = 0;                 // of the text, and tokens in each
  std::string text_sample;                        // empty: none is kept
  std::vector<std::vector<std::string>> weights;  // of each input: those that read it
};

// Opens such a file. `holds`: what it is of, for messages. Throws an Error, which says what makes one, if there is no
// such file or it is of another kind.
GgufFile open_input_file(const std::string& path, std::string_view type, std::string_view holds);

// The key of a text's sample in files of this type.
std::string text_sample_key(std::string_view type);

void add_input_keys(GgufWriter& file, const InputFileKeys& keys);

// The weights and the names of their inputs, in the order of the file. Throws an Error if the arrays are damaged.
std::vector<std::pair<std::string, std::string>> read_input_names(const GgufFile& file, std::string_view type);

}  // namespace fakequant
