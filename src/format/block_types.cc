#include "format/block_types.h"

#include <algorithm>

namespace fakequant {
namespace {

std::vector<const BlockType*>& registered_block_types() {
  static std::vector<const BlockType*> types;
  return types;
}

}  // namespace

void register_block_types(const std::vector<BlockType>& types) {
  auto& known = registered_block_types();
  for (const auto& type : types) {
    if (std::find(known.begin(), known.end(), &type) == known.end()) known.push_back(&type);
  }
}

const std::vector<const BlockType*>& block_types() { return registered_block_types(); }

const BlockType* find_block_type(std::string_view name) {
  for (const auto* type : block_types()) {
    const std::string_view library = type->library;
    const bool has_prefix = name.starts_with(library) && name.substr(library.size()).starts_with(':');
    if ((has_prefix ? name.substr(library.size() + 1) : name) == type->name) return type;
  }
  return nullptr;
}

}  // namespace fakequant
