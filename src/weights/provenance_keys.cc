#include "weights/provenance_keys.h"

#include <fmt/format.h>

#include <filesystem>

#include "version.h"

namespace fakequant {

std::vector<StringKey> provenance_keys(const GgufModel& model, const std::string& recipe, Hashed hashed) {
  auto source = fmt::format("{}, {} bytes, header sha256 {}", std::filesystem::path(model.path()).filename().string(),
                            model.size(), sha256_of(model, Hashed::headers));
  if (hashed == Hashed::files) source += fmt::format(", sha256 {}", sha256_of(model, Hashed::files));
  return {{"fakequant.recipe", recipe}, {"fakequant.version", version()}, {"fakequant.source", source}};
}

}  // namespace fakequant
