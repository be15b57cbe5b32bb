#include "measure/token_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "characters.h"
#include "error.h"

namespace fakequant {
namespace {

constexpr std::size_t kOverlapPart = 32;  // the overlap is this part of a window
constexpr std::ptrdiff_t kAnchor = 32;    // tokens in the run that joins two windows

// At most `bytes` bytes from the end of a text, starting at a character.
std::string end_of(const std::string& text, std::size_t bytes) {
  auto begin = text.size() - std::min(bytes, text.size());
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
  return text.substr(begin);
}

// The position of `run` in [begin, end), if it occurs exactly once.
template <typename Iterator>
std::optional<Iterator> find_once(Iterator begin, Iterator end, const std::vector<Token>& run) {
  const auto first = std::search(begin, end, run.begin(), run.end());
  if (first == end || std::search(first + 1, end, run.begin(), run.end()) != end) return std::nullopt;
  return first;
}

}  // namespace

TokenStream::TokenStream(const Model& model, const Text& text, std::size_t window)
    : model_(&model),
      name_(text.name),
      text_(open_text(text)),
      window_bytes_(window),
      overlap_bytes_(window / kOverlapPart),
      size_(text_size(text)) {}

std::string TokenStream::read(std::size_t bytes) {
  std::string text(bytes, '\0');
  errno = 0;
  text_->read(text.data(), static_cast<std::streamsize>(bytes));
  if (text_->bad() || errno != 0) throw Error(fmt::format("cannot read {}: {}", name_, std::strerror(errno)));
  text.resize(static_cast<std::size_t>(text_->gcount()));
  return text;
}

void TokenStream::read_window() {
  const bool is_first = bytes_read_ == 0;
  auto fresh = cut_off_ + read(window_bytes_);
  const auto begin = bytes_read_ - cut_off_.size();
  bytes_read_ = begin + fresh.size();
  cut_off_.clear();
  const bool is_last = text_->peek() == std::istream::traits_type::eof();
  if (is_first && fresh.empty()) throw Error(fmt::format("the text {} is empty", name_));
  if (!is_last) {
    const auto whole = fresh.size() - incomplete_bytes(fresh);
    cut_off_ = fresh.substr(whole);
    fresh.resize(whole);
  }
  if (is_last && fresh.ends_with('\n')) fresh.pop_back();
  const auto text = overlap_ + fresh;
  auto tokens = model_->tokenize(text, is_first, false);
  if (is_first) {
    pending_ = std::move(tokens);
  } else if (!append(std::move(tokens))) {
    return read_whole();
  }
  overlap_ = end_of(text, overlap_bytes_);
  // A token has at least one byte, so all but the last overlap_bytes_ tokens lie before the overlap.
  release(pending_.size() - (is_last ? 0 : std::min(pending_.size(), overlap_bytes_)));
  has_ended_ = is_last;
}

void TokenStream::release(std::size_t count) {
  const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(count);
  ready_.insert(ready_.end(), pending_.begin(), end);
  pending_.erase(pending_.begin(), end);
}

// Joins `next`, the tokens of the overlap and of the text after it, to pending_. Returns false if no run joins them.
bool TokenStream::append(std::vector<Token> next) {
  const auto head_end = next.begin() + static_cast<std::ptrdiff_t>(std::min(next.size(), overlap_bytes_));
  const auto shared = static_cast<std::ptrdiff_t>(model_->tokenize(overlap_, false, false).size());
  // Tries the middle of the overlap first, then positions around it.
  const auto reach = shared / 4, step = std::max<std::ptrdiff_t>(1, reach / 16);
  for (std::ptrdiff_t offset = 0; offset <= reach; offset = offset > 0 ? -offset : step - offset) {
    const auto from_end = shared / 2 + offset;
    if (from_end < kAnchor || from_end > static_cast<std::ptrdiff_t>(pending_.size())) continue;
    const auto at = pending_.end() - from_end;
    const std::vector<Token> anchor(at, at + kAnchor);
    if (!find_once(pending_.begin(), pending_.end(), anchor)) continue;
    const auto found = find_once(next.begin(), head_end, anchor);
    if (!found) continue;
    release(static_cast<std::size_t>(at - pending_.begin()));
    pending_.assign(*found, next.end());
    return true;
  }
  return false;
}

void TokenStream::read_whole() {
  text_->clear();
  text_->seekg(0);
  if (!*text_) throw Error(fmt::format("{} is too long for a pipe: write the text into a file", name_));
  auto text = read(static_cast<std::size_t>(size_));
  if (text.ends_with('\n')) text.pop_back();
  pending_ = model_->tokenize(text, true, false);
  const auto known = std::min(pending_.size(), static_cast<std::size_t>(given_) + ready_.size());
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(known));
  release(pending_.size());
  has_ended_ = true;
}

bool TokenStream::has(std::size_t count) {
  while (ready_.size() - taken_ < count && !has_ended_) {
    given_ += static_cast<std::int64_t>(taken_);
    ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
    read_window();
  }
  return ready_.size() - taken_ >= count;
}

std::vector<Token> TokenStream::take(std::size_t count) {
  const auto begin = ready_.begin() + static_cast<std::ptrdiff_t>(taken_);
  taken_ += count;
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

std::optional<std::int64_t> TokenStream::total() const {
  if (!has_ended_) return std::nullopt;
  return given_ + static_cast<std::int64_t>(ready_.size());
}

std::int64_t TokenStream::expected_total() const {
  const auto known = given_ + static_cast<std::int64_t>(ready_.size() + pending_.size());
  if (has_ended_ || bytes_read_ == 0) return known;
  return static_cast<std::int64_t>(static_cast<double>(known) * static_cast<double>(size_) /
                                   static_cast<double>(bytes_read_));
}

}  // namespace fakequant
