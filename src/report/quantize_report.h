// A quantized model, as JSON and as a table.
#pragma once

#include <string>

#include "report/json_file.h"
#include "weights/quantize.h"

namespace fakequant {

// Whether the file was written, or only foretold.
enum class Written : bool { no, yes };

Json to_json(const QuantizeResult& result, Written written, const Provenance& provenance);

// A row for each type, what llama.cpp's types could not hold as they were asked for, and the size.
std::string to_text(const QuantizeResult& result, Written written);

}  // namespace fakequant
