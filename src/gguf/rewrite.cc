#include "gguf/rewrite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gguf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error.h"
#include "gguf/gguf_bytes.h"

namespace fakequant {
namespace {

constexpr std::uint64_t kPage = 4096;

template <typename T>
void put(std::string& bytes, std::uint64_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

// A header without its padding. The first bytes of the tensors' descriptions are at `infos_begin`.
struct Header {
  std::string bytes;
  std::uint64_t infos_begin;
};

Header header_of(const GgufFile& file, const KeyChanges& keys) {
  std::string old(file.infos_end(), '\0');
  file.read(0, std::as_writable_bytes(std::span(old)));
  auto numbers = keys.replaced;
  auto added = keys.numbers;
  std::vector<const MetadataEntry*> kept;
  for (const auto& entry : file.metadata()) {
    const auto is_replaced = [&](const StringKey& k) { return k.key == entry.key; };
    if (std::any_of(keys.strings.begin(), keys.strings.end(), is_replaced)) continue;
    if (const auto number = added.find(entry.key); number != added.end()) {
      if (entry.type != GGUF_TYPE_UINT32) continue;
      numbers[entry.key] = number->second;
      added.erase(number);
    }
    kept.push_back(&entry);
  }
  std::string bytes = GGUF_MAGIC;
  append_number(bytes, file.version());
  append_number(bytes, static_cast<std::uint64_t>(file.tensors().size()));
  append_number(bytes, static_cast<std::uint64_t>(kept.size() + added.size() + keys.strings.size()));
  for (const auto* entry : kept) {
    bytes.append(old, entry->begin, entry->end - entry->begin);
    const auto number = numbers.find(entry->key);
    if (number != numbers.end() && entry->type == GGUF_TYPE_UINT32) {
      put(bytes, bytes.size() - sizeof(std::uint32_t), number->second);
    }
  }
  for (const auto& [key, value] : added) {
    append_key(bytes, key, GGUF_TYPE_UINT32);
    append_number(bytes, value);
  }
  for (const auto& [key, value] : keys.strings) {
    append_key(bytes, key, GGUF_TYPE_STRING);
    append_text(bytes, value);
  }
  const auto infos_begin = bytes.size();
  bytes.append(old, file.infos_begin(), file.infos_end() - file.infos_begin());
  return {std::move(bytes), infos_begin};
}

// A header whose last string may be padded with spaces so that the data keeps its offset within a page: whole pages are
// copied faster, and file systems that share blocks can share them.
Header paged_header_of(const GgufFile& file, KeyChanges keys, std::uint64_t alignment) {
  auto header = header_of(file, keys);
  if (!keys.keeps_page_offset || keys.strings.empty() || file.tensors().empty()) return header;
  const auto data_begin = (header.bytes.size() + alignment - 1) / alignment * alignment;
  const auto missing = (file.data_begin() - data_begin) % kPage;
  if (missing == 0) return header;
  keys.strings.back().value.append(missing, ' ');
  return header_of(file, keys);
}

}  // namespace

Rewrite::Rewrite(const GgufModel& model, std::vector<RewriteTarget> targets, const std::map<std::size_t, int>& replaced,
                 const KeyChanges& keys)
    : model_(model), targets_(std::move(targets)) {
  for (std::size_t part = 0; part < model.parts().size(); ++part) {
    lay_out(part, replaced, part == 0 ? keys : KeyChanges{.replaced = keys.replaced});
  }
}

void Rewrite::lay_out(std::size_t part, const std::map<std::size_t, int>& replaced, const KeyChanges& keys) {
  const auto& file = model_.parts()[part];
  const std::uint64_t alignment = file.alignment();
  const auto aligned = [&](std::uint64_t size) { return (size + alignment - 1) / alignment * alignment; };
  auto [header, infos_begin] = paged_header_of(file, keys, alignment);
  const auto data_begin = file.tensors().empty() ? header.size() : aligned(header.size());

  std::vector<std::size_t> order;  // the part's tensors in the order of their data
  for (std::size_t t = 0; t < model_.tensors().size(); ++t) {
    if (model_.tensors()[t].part == part) order.push_back(t);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return model_.tensors()[a].begin < model_.tensors()[b].begin; });

  // Everything from `position` on moves by `shift` bytes, modulo 2^64 if it moves down.
  std::uint64_t position = file.data_begin();
  std::uint64_t shift = data_begin - file.data_begin();
  for (const auto t : order) {
    const auto& tensor = model_.tensors()[t];
    const auto type_at = infos_begin + (tensor.type_at - file.infos_begin());
    put(header, type_at + sizeof(std::uint32_t), tensor.begin + shift - data_begin);
    const auto found = replaced.find(t);
    if (found == replaced.end()) continue;
    const int type = found->second;
    put(header, type_at, static_cast<std::uint32_t>(type));
    if (tensor.size == 0) continue;
    replaced_[t] = {tensor.begin + shift, type};
    copy_later(part, position, position + shift, tensor.begin - position);
    if (type == tensor.type) {
      position = tensor.begin + tensor.size;
      continue;
    }
    const auto new_size = stored_bytes(type, tensor.elements);
    // The last tensor's padding may be missing.
    position = std::min(tensor.begin + aligned(tensor.size), file.size());
    shift += aligned(new_size) - (position - tensor.begin);
  }
  copy_later(part, position, position + shift, file.size() - position);
  header.resize(data_begin);
  parts_.push_back({std::move(header), file.size() + shift});
}

void Rewrite::copy_later(std::size_t part, std::uint64_t from, std::uint64_t to, std::uint64_t size) {
  // First up to a page boundary, then ranges of whole pages, which some file systems share and do not copy. The ranges
  // are short enough to show progress.
  constexpr std::uint64_t kLongestCopy = std::uint64_t{1} << 25;
  while (size > 0) {
    const auto piece = std::min(size, from % kPage == 0 ? kLongestCopy : kPage - from % kPage);
    copies_.push_back({part, from, to, piece});
    from += piece;
    to += piece;
    size -= piece;
  }
}

void Rewrite::write_headers() const {
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    const auto& [fd, path] = targets_[part];
    write_exactly(fd, 0, std::as_bytes(std::span(parts_[part].header)), path);
    // Bytes that are never written, the padding after a tensor of another size, read as zero.
    if (ftruncate(fd, static_cast<off_t>(parts_[part].size)) != 0) {
      throw Error(fmt::format("cannot write {}: {}", path, errno_text()));
    }
  }
  // A full disk is found here, before any value is computed. What copy() writes needs no space of its own where the
  // file system shares blocks.
  for (const auto& [tensor, location] : replaced_) {
    const auto& info = model_.tensors()[tensor];
    const auto& [fd, path] = targets_[info.part];
    const auto size = static_cast<off_t>(stored_bytes(location.type, info.elements));
    if (fallocate(fd, 0, static_cast<off_t>(location.begin), size) == 0) continue;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
      throw Error(fmt::format("cannot write {}: {}", path, errno_text()));
    }
  }
}

void Rewrite::copy(std::int64_t i) const {
  const auto& range = copies_[static_cast<std::size_t>(i)];
  const auto& file = model_.parts()[range.part];
  const auto& [fd, path] = targets_[range.part];
  copy_range(file.fd(), range.from, fd, range.to, range.size, file.path(), path);
}

void Rewrite::write(const TensorPiece& piece, std::span<const std::byte> bytes) const {
  const auto& location = replaced_.at(piece.tensor);
  const auto& [fd, path] = targets_[model_.tensors()[piece.tensor].part];
  write_exactly(fd, location.begin + stored_bytes(location.type, piece.first_element), bytes, path);
}

std::uint64_t Rewrite::size() const {
  std::uint64_t size = 0;
  for (const auto& part : parts_) size += part.size;
  return size;
}

std::uint64_t Rewrite::copied_bytes() const {
  std::uint64_t size = 0;
  for (const auto& range : copies_) size += range.size;
  return size;
}

}  // namespace fakequant
