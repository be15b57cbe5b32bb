#include "gguf/rewrite.h"

#include <gguf.h>

#include <algorithm>

#include "parallel.h"

namespace fakequant {
namespace {

template <typename T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_text(std::string& bytes, const std::string& text) {
  append(bytes, static_cast<std::uint64_t>(text.size()));
  bytes += text;
}

void append_range(std::string& bytes, const GgufFile& file, std::uint64_t begin, std::uint64_t end) {
  const auto at = bytes.size();
  bytes.resize(at + (end - begin));
  file.read(begin, std::as_writable_bytes(std::span(bytes)).subspan(at));
}

// The header with its padding: the data begins behind it.
std::string header_bytes(const GgufFile& file, const std::vector<StringKey>& keys) {
  std::vector<const MetadataEntry*> kept;
  for (const auto& entry : file.metadata()) {
    const auto is_replaced = [&](const StringKey& k) { return k.key == entry.key; };
    if (std::none_of(keys.begin(), keys.end(), is_replaced)) kept.push_back(&entry);
  }
  std::string bytes = GGUF_MAGIC;
  append(bytes, file.version());
  append(bytes, static_cast<std::uint64_t>(file.tensors().size()));
  append(bytes, static_cast<std::uint64_t>(kept.size() + keys.size()));
  for (const auto* entry : kept) append_range(bytes, file, entry->begin, entry->end);
  for (const auto& [key, value] : keys) {
    append_text(bytes, key);
    append(bytes, static_cast<std::uint32_t>(GGUF_TYPE_STRING));
    append_text(bytes, value);
  }
  append_range(bytes, file, file.infos_begin(), file.infos_end());
  if (!file.tensors().empty()) {
    const std::uint64_t mask = std::uint64_t{file.alignment()} - 1;
    bytes.resize((bytes.size() + mask) & ~mask);
  }
  return bytes;
}

// The same, with so many spaces behind the last key's value that the data lies on its pages as it did: whole pages are
// copied faster, and can be shared by file systems that share blocks.
std::string paged_header_bytes(const GgufFile& file, std::vector<StringKey> keys) {
  constexpr std::uint64_t kPage = 4096;
  auto bytes = header_bytes(file, keys);
  const auto missing = (file.data_begin() - bytes.size()) % kPage;
  if (missing == 0 || keys.empty() || file.tensors().empty()) return bytes;
  keys.back().value.append(missing, ' ');
  return header_bytes(file, keys);
}

}  // namespace

void rewrite(const GgufFile& file, int out, const std::string& out_path, const std::vector<StringKey>& keys,
             const std::vector<TensorPiece>& pieces, const ReplacePiece& replace, int threads,
             const Progress& progress) {
  const auto header = paged_header_bytes(file, keys);
  write_exactly(out, 0, std::as_bytes(std::span(header)), out_path);
  const auto new_data_begin = header.size();
  const auto moved = [&](std::uint64_t offset) { return offset - file.data_begin() + new_data_begin; };

  // What lies between the replaced pieces, padding included, is copied as it is, in ranges of bounded size so that
  // progress can be told.
  constexpr std::uint64_t kLongestCopy = std::uint64_t{1} << 28;
  struct Range {
    std::uint64_t begin, end;
  };
  std::vector<Range> replaced, kept;
  for (const auto& piece : pieces) {
    const auto begin = piece_begin(file, piece);
    replaced.push_back({begin, begin + piece_bytes(file, piece)});
  }
  std::sort(replaced.begin(), replaced.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  replaced.push_back({file.size(), file.size()});
  std::uint64_t position = file.data_begin();
  for (const auto& range : replaced) {
    for (; position < range.begin; position = kept.back().end) {
      kept.push_back({position, std::min(range.begin, position + kLongestCopy)});
    }
    position = range.end;
  }

  const auto work = [&](std::int64_t index) {
    auto i = static_cast<std::size_t>(index);
    if (i < kept.size()) {
      const auto [begin, end] = kept[i];
      copy_range(file.fd(), begin, out, moved(begin), end - begin, file.path(), out_path);
    } else {
      i -= kept.size();
      write_exactly(out, moved(piece_begin(file, pieces[i])), replace(i), out_path);
    }
  };
  parallel_for(static_cast<std::int64_t>(kept.size() + pieces.size()), threads, work, progress);
}

}  // namespace fakequant
