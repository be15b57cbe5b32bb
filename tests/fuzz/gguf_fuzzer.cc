// libFuzzer's target for the GGUF reader: any bytes are a file, which is read, surveyed and rewritten, or refused with
// an Error. What was rewritten must be readable again.
#include <cstdint>
#include <cstdlib>

#include "error.h"
#include "gguf/memory_file.h"
#include "weights/apply.h"
#include "weights/census.h"
#include "weights/compare.h"

namespace {

using namespace fakequant;

void read_and_rewrite(const std::string& path) {
  const GgufModel model(path);
  take_census(model, "*", 1);
  const MemoryFile out("fuzz-out");
  ApplySettings settings;
  settings.promote_to = 0;  // F32
  const auto recipe = Recipe{parse_rule("w:*=bf16")};
  try {
    apply_to_targets(model, recipe, settings, {{out.fd(), out.path()}}, 1);
  } catch (const Error&) {
    return;  // nothing to round, or a type that cannot be
  }
  const GgufModel rewritten(out.path());
  if (rewritten.tensors().size() != model.tensors().size()) std::abort();
  compare(model, rewritten, 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file("fuzz");
  write_exactly(file.fd(), 0, std::as_bytes(std::span(data, size)), "fuzz");
  try {
    read_and_rewrite(file.path());
  } catch (const Error&) {
  }
  return 0;
}
