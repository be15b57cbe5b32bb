#include "weights/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <tuple>

#include "error.h"
#include "foreign_file.h"
#include "format/element.h"
#include "format/half_precision.h"
#include "json.h"
#include "text_file.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of safetensors' own reader

constexpr auto kIndexEnding = ".safetensors.index.json";
constexpr auto kFileEnding = ".safetensors";

struct StoredType {
  const char* name;  // in the header
  const char* type;
  std::size_t bytes;
};

constexpr std::array kTypes = {
    StoredType{"F64", "F64", 8},      StoredType{"F32", "F32", 4},      StoredType{"F16", "F16", 2},
    StoredType{"BF16", "BF16", 2},    StoredType{"I64", "I64", 8},      StoredType{"I32", "I32", 4},
    StoredType{"I16", "I16", 2},      StoredType{"I8", "I8", 1},        StoredType{"U8", "U8", 1},
    StoredType{"BOOL", "BOOL", 1},    StoredType{"F8_E4M3", "E4M3", 1}, StoredType{"F8_E5M2", "E5M2", 1},
    StoredType{"F8_E8M0", "E8M0", 1}, StoredType{"U64", "U64", 8},      StoredType{"U32", "U32", 4},
    StoredType{"U16", "U16", 2},
};

template <typename T>
void convert(std::span<const std::byte> bytes, std::span<float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<float>(value);
  }
}

std::optional<fs::path> model_in(const fs::path& folder) {
  for (const auto* name : {"model.safetensors.index.json", "model.safetensors"}) {
    if (fs::is_regular_file(folder / name)) return folder / name;
  }
  return std::nullopt;
}

[[noreturn]] void refuse_safetensors(const std::string& path, const std::string& why) {
  throw Error(fmt::format("{} is not a valid safetensors file: {}", path, why));
}

// Reads one tensor's entry of the header. `data_begin` and `data_size` are in bytes of the file.
SafetensorsTensor parse_tensor(const std::string& path, const std::string& name, const Json& entry,
                               std::uint64_t data_begin, std::uint64_t data_size) {
  const auto refuse = [&](const std::string& what) {
    refuse_safetensors(path, fmt::format("tensor '{}' {}", name, what));
  };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
      !entry["shape"].is_array() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array() ||
      entry["data_offsets"].size() != 2) {
    refuse("has no dtype, shape and data_offsets");
  }
  const auto dtype = entry["dtype"].get<std::string>();
  const auto known = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& type) { return dtype == type.name; });
  if (known == kTypes.end()) refuse(fmt::format("has the unknown type '{}'", dtype));
  const auto whole_number = [&](const Json& number) {
    if (!number.is_number_unsigned()) refuse("has a shape or offset that is not a whole number");
    return number.get<std::uint64_t>();
  };

  SafetensorsTensor tensor;
  tensor.name = name;
  tensor.type = known->type;
  tensor.element_bytes = known->bytes;
  std::uint64_t elements = 1;
  for (const auto& length : entry["shape"]) {
    const auto n = whole_number(length);
    constexpr auto max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (n > max || (n > 0 && elements > max / n)) refuse("has an impossible shape");
    elements *= n;
    tensor.shape.push_back(static_cast<std::int64_t>(n));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  tensor.elements = static_cast<std::int64_t>(elements);
  const auto begin = whole_number(entry["data_offsets"][0]), end = whole_number(entry["data_offsets"][1]);
  if (begin > end || end > data_size) {
    refuse(fmt::format("lies from byte {} to {} of the data, which has {}: the file is truncated or damaged", begin,
                       end, data_size));
  }
  if (elements != (end - begin) / known->bytes || (end - begin) % known->bytes != 0) {
    refuse(fmt::format("has {} values of {} in {} bytes", elements, dtype, end - begin));
  }
  tensor.begin = data_begin + begin;
  return tensor;
}

// Throws an Error for a key that an object has twice: readers differ in which of the two they take.
Json parse_json(const std::string& path, const std::string& text) {
  // No valid file is nested deeper; deeper values are dropped.
  constexpr int kDeepest = 4;
  std::array<std::set<std::string>, kDeepest + 2> keys;  // of the open objects, whose keys are one deeper than they are
  const auto take = [&](int depth, Json::parse_event_t event, const Json& value) {
    if (depth > kDeepest) return false;
    if (event == Json::parse_event_t::object_start) keys.at(static_cast<std::size_t>(depth) + 1).clear();
    if (event == Json::parse_event_t::key) {
      const auto key = value.get<std::string>();
      if (!keys.at(static_cast<std::size_t>(depth)).insert(key).second) {
        refuse_safetensors(path, fmt::format("'{}' occurs twice in its header", key));
      }
    }
    return true;
  };
  auto json = Json::parse(text, take, false);
  if (json.is_discarded() || !json.is_object()) refuse_safetensors(path, "its header is not a JSON object");
  return json;
}

// Refuses data that no tensor has, and data that two have: the format allows neither. `data_begin` and `data_size` are
// in bytes of the file.
void check_data_is_divided(const std::string& path, std::vector<const SafetensorsTensor*> tensors,
                           std::uint64_t data_begin, std::uint64_t data_size) {
  const auto size = [](const SafetensorsTensor& t) { return static_cast<std::uint64_t>(t.elements) * t.element_bytes; };
  std::sort(tensors.begin(), tensors.end(), [&](const auto* a, const auto* b) {
    return std::tuple(a->begin, size(*a)) < std::tuple(b->begin, size(*b));
  });
  std::uint64_t end = 0;  // of the tensors so far, from the start of the data
  const SafetensorsTensor* last = nullptr;
  const auto refuse_gap = [&](std::uint64_t next) {
    refuse_safetensors(path, fmt::format("bytes {} to {} of its data belong to no tensor", end, next));
  };
  for (const auto* tensor : tensors) {
    const auto begin = tensor->begin - data_begin;
    if (begin > end) refuse_gap(begin);
    if (begin < end) {
      refuse_safetensors(
          path, fmt::format("tensors '{}' and '{}' overlap at byte {} of its data", last->name, tensor->name, begin));
    }
    end = begin + size(*tensor);
    last = tensor;
  }
  if (end < data_size) refuse_gap(data_size);
}

}  // namespace

SafetensorsModel::SafetensorsModel(const std::string& path) : path_(path) {
  fs::path file = path;
  if (fs::is_directory(file)) {
    const auto found = model_in(file);
    if (!found) throw Error(fmt::format("{} has neither model.safetensors nor its index", path));
    file = *found;
  }
  if (file.string().ends_with(kIndexEnding)) {
    add_index(file.string());
  } else {
    add_file(file.string());
  }
}

void SafetensorsModel::add_index(const std::string& path) {
  index_ = path;
  const auto json = parse_json(path, read_text(path));
  if (!json.contains("weight_map") || !json["weight_map"].is_object()) refuse_safetensors(path, "it has no weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string()) refuse_safetensors(path, fmt::format("it names no file for tensor '{}'", tensor));
    names.insert(file.get<std::string>());
  }
  if (names.empty()) refuse_safetensors(path, "its weight_map is empty");
  for (const auto& name : names) {
    // A file is in the index's folder.
    if (name.empty() || name == "." || name == ".." || fs::path(name).filename() != name)
      refuse_safetensors(path, fmt::format("it names the file '{}'", name));
    add_file((fs::path(path).parent_path() / name).string());
  }
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!tensors_.contains(tensor)) refuse_safetensors(path, fmt::format("no file has its tensor '{}'", tensor));
  }
}

void SafetensorsModel::add_file(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) throw Error(fmt::format("cannot open {}: {}", path, errno_text()));
  struct stat status {};
  if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(fmt::format("cannot read {}: it is not a regular file", path));
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (const auto kind = foreign_kind(beginning_of(path)); !kind.empty() && !kind.starts_with("a safetensors file")) {
    throw Error(fmt::format("{} is {}", path, kind));
  }
  std::uint64_t length = 0;
  if (size < sizeof(length)) refuse_safetensors(path, fmt::format("it has {} bytes", size));
  read_exactly(fd.get(), 0, std::as_writable_bytes(std::span(&length, 1)), path);
  if (length > kMaxHeaderBytes || length > size - sizeof(length)) {
    refuse_safetensors(path, fmt::format("its header should have {} bytes, but the file has {}", length, size));
  }
  std::string header(length, '\0');
  read_exactly(fd.get(), sizeof(length), std::as_writable_bytes(std::span(header)), path);
  const auto data_begin = sizeof(length) + length;
  const auto json = parse_json(path, header);
  std::vector<const SafetensorsTensor*> of_this_file;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") continue;
    auto tensor = parse_tensor(path, name, entry, data_begin, size - data_begin);
    tensor.file = files_.size();
    const auto [added, is_new] = tensors_.emplace(name, std::move(tensor));
    if (!is_new) refuse_safetensors(path, fmt::format("tensor '{}' is in two files", name));
    of_this_file.push_back(&added->second);
  }
  check_data_is_divided(path, std::move(of_this_file), data_begin, size - data_begin);
  files_.push_back({path, std::move(fd)});
}

std::vector<std::string> SafetensorsModel::files() const {
  std::vector<std::string> paths;
  if (!index_.empty()) paths.push_back(index_);
  for (const auto& file : files_) paths.push_back(file.path);
  return paths;
}

void SafetensorsModel::read(const SafetensorsTensor& tensor, std::int64_t first, std::span<std::byte> bytes) const {
  const auto& file = files_[tensor.file];
  read_exactly(file.fd.get(), tensor.begin + static_cast<std::uint64_t>(first) * tensor.element_bytes, bytes,
               file.path);
}

bool is_safetensors(const std::string& path) {
  if (path.ends_with(kFileEnding) || path.ends_with(kIndexEnding)) return true;
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

void decode_safetensors(const std::string& type, std::span<const std::byte> bytes, std::span<float> values) {
  if (values.empty()) return;
  if (type == "F32") {
    std::memcpy(values.data(), bytes.data(), values.size_bytes());
  } else if (type == "F16" || type == "BF16") {
    widen(type == "F16" ? Half::f16 : Half::bf16, reinterpret_cast<const std::uint16_t*>(bytes.data()), values);
  } else if (type == "F64") {
    convert<double>(bytes, values);
  } else if (type == "I64") {
    convert<std::int64_t>(bytes, values);
  } else if (type == "I32") {
    convert<std::int32_t>(bytes, values);
  } else if (type == "I16") {
    convert<std::int16_t>(bytes, values);
  } else if (type == "I8") {
    convert<std::int8_t>(bytes, values);
  } else if (type == "U64") {
    convert<std::uint64_t>(bytes, values);
  } else if (type == "U32") {
    convert<std::uint32_t>(bytes, values);
  } else if (type == "U16") {
    convert<std::uint16_t>(bytes, values);
  } else if (type == "U8" || type == "BOOL") {
    convert<std::uint8_t>(bytes, values);
  } else if (type == "E8M0") {  // OCP MX 1.0, 5.4.1: 2^(code - 127), and 255 is NaN
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto code = std::to_integer<int>(bytes[i]);
      values[i] = code == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, code - 127);
    }
  } else {
    const auto element = element_of(type == "E4M3" ? "e4m3" : "e5m2");
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(decode(*element, std::to_integer<std::uint32_t>(bytes[i])));
    }
  }
}

}  // namespace fakequant
