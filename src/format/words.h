// The words that stand for the values of a part of a format: "nearest", "per=row", "scale=ceil".
//
// A part has one table of them. Parsing, printing and the lists in error messages follow from the table, so that a new
// value of a part is one more line in it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fakequant {

template <typename Value>
struct Word {
  std::string_view word;
  Value value;
};

template <typename Value, std::size_t count>
using WordTable = std::array<Word<Value>, count>;

template <typename Value, std::size_t count>
constexpr std::optional<Value> value_of_word(const WordTable<Value, count>& words, std::string_view word) {
  for (const auto& entry : words) {
    if (entry.word == word) return entry.value;
  }
  return std::nullopt;
}

// The value is in the table.
template <typename Value, std::size_t count>
constexpr std::string_view word_of_value(const WordTable<Value, count>& words, Value value) {
  for (const auto& entry : words) {
    if (entry.value == value) return entry.word;
  }
  return {};
}

// All values of a table, in its order.
template <typename Value, std::size_t count>
constexpr std::array<Value, count> values_of_words(const WordTable<Value, count>& words) {
  std::array<Value, count> values{};
  for (std::size_t i = 0; i < count; ++i) values[i] = words[i].value;
  return values;
}

// "floor, ceil or nearest", for messages.
template <typename Value, std::size_t count>
std::string list_of_words(const WordTable<Value, count>& words) {
  std::string list;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) list += i + 1 == count ? " or " : ", ";
    list += words[i].word;
  }
  return list;
}

}  // namespace fakequant
