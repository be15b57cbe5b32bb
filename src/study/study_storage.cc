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
  std::string hashes;
  for (const auto& file : format_files(format)) hashes += (hashes.empty() ? "" : " ") + sha256_of_file(file);
  return hashes;
}

}  // namespace fakequant
