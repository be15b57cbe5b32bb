#include "study/study_storage.h"

#include "format/format_properties.h"
#include "gguf/sha256.h"
#include "gguf/tensor_type.h"
#include "lower_case.h"

namespace fakequant {
namespace {

const std::string kPromote = "promote ", kRequantize = "requantize";

}  // namespace

std::string storage_text(const ApplySettings& storage) {
  if (storage.promote_to) return kPromote + type_name(*storage.promote_to);
  return storage.requantize ? kRequantize : "";
}

ApplySettings storage_of_text(const std::string& text) {
  ApplySettings storage;
  storage.requantize = text == kRequantize;
  if (text.starts_with(kPromote)) {
    storage.promote_to = plain_float_type(lower_case(text.substr(kPromote.size())));
  }
  return storage;
}

std::string files_hash(const Format& format) {
  auto file = format.importance_file.empty() ? format.range.file : format.importance_file;
  if (file.empty()) file = format.gptq.hessian_file;
  if (file.empty()) file = format.smoothing.file;
  if (file.empty()) file = format.awq_file;
  if (file.empty() && is_codebook(format)) file = format.element.codebook->file;
  return file.empty() ? "" : sha256_of_file(file);
}

}  // namespace fakequant
