#include "gguf/gguf_model.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "error.h"
#include "number_of_text.h"

namespace fakequant {
namespace {

constexpr auto kSplitNumber = "split.no";
constexpr auto kSplitCount = "split.count";
constexpr auto kSplitTensors = "split.tensors.count";

struct PartName {
  std::string prefix;
  std::size_t number = 0, count = 0;  // from 1, as in the name
};

// The name of a part, or no value if it is not one.
std::optional<PartName> parse_part_name(std::string_view path) {
  constexpr std::string_view form = "-00001-of-00003.gguf";
  if (path.size() < form.size()) return std::nullopt;
  const auto ending = path.substr(path.size() - form.size());
  const auto number = number_of_text<std::size_t>(ending.substr(1, 5)),
             count = number_of_text<std::size_t>(ending.substr(10, 5));
  if (!number || !count || ending[0] != '-' || ending.substr(6, 4) != "-of-" || ending.substr(15) != ".gguf") {
    return std::nullopt;
  }
  return PartName{std::string(path.substr(0, path.size() - form.size())), *number, *count};
}

void check_part(const GgufFile& part, std::size_t index, std::size_t count) {
  const auto said_count = part.find_integer(kSplitCount), said_number = part.find_integer(kSplitNumber);
  if (said_count != static_cast<std::int64_t>(count)) {
    throw Error(fmt::format("{} is not part of a model in {} parts: its {} is {}", part.path(), count, kSplitCount,
                            said_count ? fmt::format("{}", *said_count) : "missing"));
  }
  if (said_number != static_cast<std::int64_t>(index)) {
    throw Error(fmt::format("{} is not part {} of its model, although its name says so: its {} is {}", part.path(),
                            index + 1, kSplitNumber, said_number ? fmt::format("{}", *said_number) : "missing"));
  }
}

std::vector<GgufFile> open_all(const std::vector<std::string>& paths) {
  std::vector<GgufFile> parts;
  for (const auto& path : paths) {
    parts.emplace_back(path);
    if (paths.size() > 1) check_part(parts.back(), parts.size() - 1, paths.size());
  }
  return parts;
}

std::vector<GgufFile> open_with_siblings(const std::string& path) {
  std::vector<GgufFile> parts;
  parts.emplace_back(path);
  const auto count = parts.front().find_integer(kSplitCount).value_or(1);
  if (count <= 1) return parts;
  const auto name = parse_part_name(path);
  if (!name || static_cast<std::int64_t>(name->count) != count) {
    throw Error(
        fmt::format("{} is one of the {} parts of a model, but its name does not say which: name them "
                    "NAME-00001-of-{:05}.gguf and so on",
                    path, count, count));
  }
  return open_all(part_paths(path, name->count));
}

}  // namespace

GgufModel::GgufModel(const std::string& path) : GgufModel(open_with_siblings(path)) {}

GgufModel::GgufModel(const std::vector<std::string>& paths) : GgufModel(open_all(paths)) {}

GgufModel::GgufModel(std::vector<GgufFile> parts) : parts_(std::move(parts)) {
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    for (const auto& tensor : parts_[p].tensors()) {
      if (!names_.emplace(tensor.name, tensors_.size()).second) {
        throw Error(
            fmt::format("tensor '{}' occurs twice, in {} and in a part before it", tensor.name, parts_[p].path()));
      }
      tensors_.push_back(tensor);
      tensors_.back().part = p;
    }
  }
  const auto said = first().find_integer(kSplitTensors);
  if (parts_.size() > 1 && said && *said != static_cast<std::int64_t>(tensors_.size())) {
    throw Error(fmt::format("the parts of {} have {} tensors, and its {} is {}: a part is not of this model",
                            this->path(), tensors_.size(), kSplitTensors, *said));
  }
}

std::uint64_t GgufModel::size() const {
  std::uint64_t size = 0;
  for (const auto& part : parts_) size += part.size();
  return size;
}

const TensorInfo* GgufModel::find_tensor(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &tensors_[found->second];
}

void GgufModel::read(const TensorInfo& tensor, std::uint64_t offset, std::span<std::byte> bytes) const {
  parts_[tensor.part].read(tensor.begin + offset, bytes);
}

std::vector<std::string> GgufModel::paths() const {
  std::vector<std::string> paths;
  for (const auto& part : parts_) paths.push_back(part.path());
  return paths;
}

std::vector<std::string> part_paths(const std::string& path, std::size_t count) {
  if (count == 1) return {path};
  auto prefix = path;
  if (const auto name = parse_part_name(path)) {
    prefix = name->prefix;
  } else if (prefix.ends_with(".gguf")) {
    prefix.resize(prefix.size() - 5);
  }
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < count; ++i) paths.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", prefix, i + 1, count));
  return paths;
}

}  // namespace fakequant
