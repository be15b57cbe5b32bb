#include "gguf/gguf_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ggml.h>
#include <gguf.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

#include "error.h"
#include "foreign_file.h"
#include "gguf/tensor_type.h"

namespace fakequant {

static_assert(std::endian::native == std::endian::little, "GGUF files are read without byte swapping");

namespace {

// Bytes of a value of a fixed-size metadata type; 0 for strings, arrays and invalid types.
std::uint64_t fixed_size(std::uint32_t type) {
  switch (type) {
    case GGUF_TYPE_UINT8:
    case GGUF_TYPE_INT8:
    case GGUF_TYPE_BOOL:
      return 1;
    case GGUF_TYPE_UINT16:
    case GGUF_TYPE_INT16:
      return 2;
    case GGUF_TYPE_UINT32:
    case GGUF_TYPE_INT32:
    case GGUF_TYPE_FLOAT32:
      return 4;
    case GGUF_TYPE_UINT64:
    case GGUF_TYPE_INT64:
    case GGUF_TYPE_FLOAT64:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

// Reads the header front to back through a small buffer, and fills in a GgufFile.
class GgufParser {
 public:
  explicit GgufParser(GgufFile& file) : file_(file) {}

  void parse() {
    read_counts();
    read_metadata();
    file_.infos_begin_ = position_;
    read_tensors();
    file_.infos_end_ = position_;
    locate_tensors();
  }

 private:
  // A longer key or name is taken for damage. (ggml's names have up to 63 bytes; keys are short by convention.)
  static constexpr std::uint64_t kLongestName = 65535;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{} is not a valid GGUF file: {}", file_.path_, what));
  }

  std::uint64_t left() const { return file_.size_ - position_; }

  void need(std::uint64_t bytes, const std::string& what) const {
    if (bytes > left()) {
      fail(fmt::format("{} at byte {} needs {} bytes, and the file ends at byte {}: it is truncated or damaged", what,
                       position_, bytes, file_.size_));
    }
  }

  void read_bytes(void* target, std::uint64_t count) {
    auto* out = static_cast<std::byte*>(target);
    while (count > 0) {
      if (position_ < buffer_begin_ || position_ >= buffer_begin_ + buffered_) {
        buffered_ = std::min<std::uint64_t>(buffer_.size(), left());
        buffer_begin_ = position_;
        file_.read(position_, std::span(buffer_).first(buffered_));
      }
      const auto at = position_ - buffer_begin_;
      const auto piece = std::min(count, buffered_ - at);
      std::memcpy(out, buffer_.data() + at, piece);
      out += piece;
      position_ += piece;
      count -= piece;
    }
  }

  template <typename T>
  T read_value(const std::string& what) {
    need(sizeof(T), what);
    T value;
    read_bytes(&value, sizeof(T));
    return value;
  }

  std::string read_name(const std::string& what) {
    const auto length = read_value<std::uint64_t>(what);
    if (length > kLongestName)
      fail(fmt::format("{} ending at byte {} claims to have {} bytes", what, position_, length));
    need(length, what);
    std::string name(length, '\0');
    read_bytes(name.data(), length);
    return name;
  }

  void skip(std::uint64_t bytes, const std::string& what) {
    need(bytes, what);
    position_ += bytes;
  }

  void read_counts() {
    std::array<char, 4> magic{};
    if (file_.size_ < magic.size()) {
      throw Error(fmt::format("{} is not a GGUF file: it has {} bytes", file_.path_, file_.size_));
    }
    read_bytes(magic.data(), magic.size());
    if (std::string_view(magic.data(), magic.size()) != GGUF_MAGIC) {
      const auto kind = foreign_kind(beginning_of(file_.path_));
      if (!kind.empty()) throw Error(fmt::format("{} is {}", file_.path_, kind));
      throw Error(fmt::format("{} is not a GGUF file: it does not begin with the letters GGUF", file_.path_));
    }
    file_.version_ = read_value<std::uint32_t>("the version");
    if (file_.version_ == 0x02000000u || file_.version_ == 0x03000000u) {
      throw Error(fmt::format("{} is a big-endian GGUF file: convert it with gguf-convert-endian first", file_.path_));
    }
    if (file_.version_ != 2 && file_.version_ != 3) {
      throw Error(
          fmt::format("{} is a GGUF file of version {}: versions 2 and 3 are read", file_.path_, file_.version_));
    }
    tensor_count_ = read_value<std::uint64_t>("the number of tensors");
    key_count_ = read_value<std::uint64_t>("the number of metadata keys");
    // The shortest key takes 13 bytes, the shortest tensor description 32, which limits both counts.
    if (key_count_ > left() / 13) fail(fmt::format("it claims to have {} metadata keys", key_count_));
    if (tensor_count_ > left() / 32) fail(fmt::format("it claims to have {} tensors", tensor_count_));
  }

  void read_metadata() {
    file_.alignment_ = GGUF_DEFAULT_ALIGNMENT;
    for (std::uint64_t i = 0; i < key_count_; ++i) {
      MetadataEntry entry;
      entry.begin = position_;
      entry.key = read_name(fmt::format("metadata key {}", i));
      const auto what = fmt::format("key '{}'", entry.key);
      if (!file_.keys_.emplace(entry.key, i).second)
        fail(fmt::format("{} occurs twice, at byte {}", what, entry.begin));
      entry.type = read_value<std::uint32_t>(what);
      entry.value_begin = position_;
      if (entry.key == GGUF_KEY_GENERAL_ALIGNMENT) {
        read_alignment(entry);
      } else {
        skip_value(entry.type, what);
      }
      entry.end = position_;
      file_.metadata_.push_back(std::move(entry));
    }
  }

  void read_alignment(const MetadataEntry& entry) {
    if (entry.type != GGUF_TYPE_UINT32) fail(fmt::format("{} at byte {} is not a uint32", entry.key, entry.begin));
    file_.alignment_ = read_value<std::uint32_t>(entry.key);
    if (!std::has_single_bit(file_.alignment_)) {
      fail(fmt::format("{} is {}, which is not a power of two", entry.key, file_.alignment_));
    }
  }

  void skip_value(std::uint32_t type, const std::string& what) {
    if (type == GGUF_TYPE_ARRAY) {
      const auto element = read_value<std::uint32_t>(what);
      const auto count = read_value<std::uint64_t>(what);
      if (element == GGUF_TYPE_STRING) {
        if (count > left() / 8) fail(fmt::format("{} claims to have {} strings", what, count));
        for (std::uint64_t i = 0; i < count; ++i) skip(read_value<std::uint64_t>(what), what);
      } else {
        skip_elements(element, count, what);
      }
    } else if (type == GGUF_TYPE_STRING) {
      skip(read_value<std::uint64_t>(what), what);
    } else {
      skip_elements(type, 1, what);
    }
  }

  void skip_elements(std::uint32_t type, std::uint64_t count, const std::string& what) {
    const auto size = fixed_size(type);
    if (size == 0) fail(fmt::format("{} before byte {} has the unknown type {}", what, position_, type));
    if (count > left() / size) fail(fmt::format("{} claims to have {} values", what, count));
    skip(count * size, what);
  }

  void read_tensors() {
    for (std::uint64_t i = 0; i < tensor_count_; ++i) {
      TensorInfo tensor;
      const auto at = position_;
      tensor.name = read_name(fmt::format("tensor {}", i));
      const auto what = fmt::format("tensor '{}'", tensor.name);
      if (!file_.names_.emplace(tensor.name, i).second) fail(fmt::format("{} occurs twice, at byte {}", what, at));
      const auto dimensions = read_value<std::uint32_t>(what);
      if (dimensions > GGML_MAX_DIMS)
        fail(fmt::format("{} at byte {} claims to have {} dimensions", what, at, dimensions));
      tensor.elements = 1;
      for (std::uint32_t d = 0; d < dimensions; ++d) {
        const auto length = read_value<std::int64_t>(what);
        if (length < 0 || (length > 0 && tensor.elements > std::numeric_limits<std::int64_t>::max() / length)) {
          fail(fmt::format("{} at byte {} has an impossible shape", what, at));
        }
        tensor.shape.push_back(length);
        tensor.elements *= length;
      }
      tensor.type_at = position_;
      const auto type = read_value<std::uint32_t>(what);
      if (!is_tensor_type(type)) fail(fmt::format("{} at byte {} has the unknown type {}", what, at, type));
      tensor.type = static_cast<int>(type);
      set_size(tensor, what, at);
      tensor.begin = read_value<std::uint64_t>(what);  // from the start of the data until locate_tensors()
      file_.tensors_.push_back(std::move(tensor));
    }
  }

  void set_size(TensorInfo& tensor, const std::string& what, std::uint64_t at) const {
    const auto block = block_elements(tensor.type);
    const auto row = tensor.shape.empty() ? 1 : tensor.shape[0];
    if (row % block != 0) {
      fail(fmt::format("{} at byte {} has rows of {} values, not a multiple of the block size {}", what, at, row,
                       block));
    }
    const auto blocks = static_cast<std::uint64_t>(tensor.elements / block);
    const auto bytes = static_cast<std::uint64_t>(block_bytes(tensor.type));
    if (blocks > std::numeric_limits<std::uint64_t>::max() / bytes) {
      fail(fmt::format("{} at byte {} has an impossible size", what, at));
    }
    tensor.size = blocks * bytes;
  }

  void locate_tensors() {
    const auto mask = std::uint64_t{file_.alignment_} - 1;
    file_.data_begin_ = tensor_count_ == 0 ? position_ : (position_ + mask) & ~mask;
    if (tensor_count_ > 0 && file_.data_begin_ > file_.size_) fail("it ends before its tensors' data: it is truncated");
    for (auto& tensor : file_.tensors_) {
      if ((tensor.begin & mask) != 0) {
        fail(fmt::format("tensor '{}' begins at offset {}, not a multiple of the alignment {}", tensor.name,
                         tensor.begin, file_.alignment_));
      }
      const auto room = file_.size_ - file_.data_begin_;
      if (tensor.begin > room || tensor.size > room - tensor.begin) {
        fail(
            fmt::format("tensor '{}' needs {} bytes at offset {} of the data, which has {}: it is truncated or damaged",
                        tensor.name, tensor.size, tensor.begin, room));
      }
      tensor.begin += file_.data_begin_;
    }
    std::vector<const TensorInfo*> order;
    for (const auto& tensor : file_.tensors_) {
      if (tensor.size > 0) order.push_back(&tensor);
    }
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->begin < b->begin; });
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (order[i - 1]->begin + order[i - 1]->size > order[i]->begin) {
        fail(fmt::format("tensors '{}' and '{}' overlap at byte {}", order[i - 1]->name, order[i]->name,
                         order[i]->begin));
      }
    }
  }

  GgufFile& file_;
  std::uint64_t position_ = 0;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t key_count_ = 0;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(1 << 16);
  std::uint64_t buffer_begin_ = 0;
  std::uint64_t buffered_ = 0;
};

GgufFile::GgufFile(const std::string& path) : path_(path), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (fd_.get() < 0) throw Error(fmt::format("cannot open {}: {}", path, errno_text()));
  struct stat status {};
  if (fstat(fd_.get(), &status) != 0) throw Error(fmt::format("cannot read {}: {}", path, errno_text()));
  if (!S_ISREG(status.st_mode)) throw Error(fmt::format("cannot read {}: it is not a regular file", path));
  size_ = static_cast<std::uint64_t>(status.st_size);
  GgufParser(*this).parse();
}

const TensorInfo* GgufFile::find_tensor(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &tensors_[found->second];
}

const MetadataEntry* GgufFile::find_key(const std::string& key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &metadata_[found->second];
}

std::vector<std::string> GgufFile::find_strings(const std::string& key) const {
  const auto* entry = find_key(key);
  if (entry == nullptr || entry->type != GGUF_TYPE_ARRAY) return {};
  const auto bytes = value_bytes(*entry);  // the elements' type, their number, and each with its length before it
  std::size_t at = 0;
  const auto next = [&](auto value) {
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    at += sizeof(value);
    return value;
  };
  if (next(std::uint32_t{}) != GGUF_TYPE_STRING) return {};
  std::vector<std::string> strings(next(std::uint64_t{}));
  for (auto& text : strings) {
    text.resize(next(std::uint64_t{}));
    std::memcpy(text.data(), bytes.data() + at, text.size());
    at += text.size();
  }
  return strings;
}

std::vector<std::byte> GgufFile::value_bytes(const MetadataEntry& entry) const {
  std::vector<std::byte> bytes(entry.end - entry.value_begin);
  read(entry.value_begin, bytes);
  return bytes;
}

std::optional<std::string> GgufFile::find_string(const std::string& key) const {
  const auto* entry = find_key(key);
  if (entry == nullptr || entry->type != GGUF_TYPE_STRING) return std::nullopt;
  const auto bytes = value_bytes(*entry);
  const auto text = std::span(bytes).subspan(sizeof(std::uint64_t));
  return std::string(reinterpret_cast<const char*>(text.data()), text.size());
}

std::optional<std::int64_t> GgufFile::find_integer(const std::string& key) const {
  const auto* entry = find_key(key);
  if (entry == nullptr) return std::nullopt;
  const auto bytes = value_bytes(*entry);
  const auto as = [&]<typename T>(T value) -> std::optional<std::int64_t> {
    std::memcpy(&value, bytes.data(), sizeof(T));
    if (!std::in_range<std::int64_t>(value)) return std::nullopt;
    return static_cast<std::int64_t>(value);
  };
  switch (entry->type) {
    case GGUF_TYPE_UINT8:
      return as(std::uint8_t{});
    case GGUF_TYPE_INT8:
      return as(std::int8_t{});
    case GGUF_TYPE_UINT16:
      return as(std::uint16_t{});
    case GGUF_TYPE_INT16:
      return as(std::int16_t{});
    case GGUF_TYPE_UINT32:
      return as(std::uint32_t{});
    case GGUF_TYPE_INT32:
      return as(std::int32_t{});
    case GGUF_TYPE_UINT64:
      return as(std::uint64_t{});
    case GGUF_TYPE_INT64:
      return as(std::int64_t{});
    default:
      return std::nullopt;
  }
}

void GgufFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  read_exactly(fd_.get(), offset, bytes, path_);
}

std::int64_t row_elements(const TensorInfo& tensor) {
  return tensor.shape.empty() ? 1 : std::max<std::int64_t>(tensor.shape[0], 1);
}

std::optional<int> layer_of_tensor(std::string_view name) {
  for (const std::string_view prefix : {"blk.", "enc.blk.", "dec.blk."}) {
    if (!name.starts_with(prefix)) continue;
    const auto rest = name.substr(prefix.size());
    int layer = 0;
    const auto [end, fault] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    if (fault == std::errc{} && end != rest.data() + rest.size() && *end == '.' && layer >= 0) return layer;
  }
  return std::nullopt;
}

std::string layer_pattern(const std::string& name) {
  if (!layer_of_tensor(name)) return name;
  const auto begin = name.find("blk.") + 4;
  return name.substr(0, begin) + "*" + name.substr(name.find('.', begin));
}

int layer_count(const std::vector<TensorInfo>& tensors) {
  int count = 0;
  for (const auto& tensor : tensors) {
    if (const auto layer = layer_of_tensor(tensor.name); layer && *layer < std::numeric_limits<int>::max()) {
      count = std::max(count, *layer + 1);
    }
  }
  return count;
}

}  // namespace fakequant
