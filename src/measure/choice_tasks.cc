#include "measure/choice_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <random>
#include <string_view>

#include "error.h"
#include "number_of_text.h"
#include "text_file.h"

namespace fakequant {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// A whole number, and nothing else but spaces around it.
std::optional<int> number_in(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return number_of_text<int>(text);
}

// Which tasks are computed, in order: HellaSwag's are mixed in any case.
std::vector<std::size_t> hellaswag_order(std::size_t tasks, std::size_t most) {
  std::mt19937 random(1);
  std::vector<std::size_t> left(tasks), order;
  std::iota(left.begin(), left.end(), std::size_t{0});
  while (order.size() < most) {
    std::uniform_int_distribution<std::size_t> place(0, left.size() - 1);
    const auto at = left.begin() + static_cast<std::ptrdiff_t>(place(random));
    order.push_back(*at);
    left.erase(at);
  }
  return order;
}

// Of the others only where not all are computed. In float, as there.
std::vector<std::size_t> selected_order(std::size_t tasks, std::size_t most) {
  std::vector<std::size_t> left(tasks), order;
  std::iota(left.begin(), left.end(), std::size_t{0});
  if (most == tasks) return left;
  std::mt19937 random(1);
  const float scale = 1 / (1.F + static_cast<float>(std::mt19937::max()));
  while (order.size() < most) {
    const auto drawn = scale * static_cast<float>(random()) * static_cast<float>(left.size());
    const auto at = std::min(static_cast<std::size_t>(drawn), left.size() - 1);
    order.push_back(left[at]);
    left[at] = left.back();
    left.pop_back();
  }
  return order;
}

Error unsound(const std::string& path, const std::string& what) {
  return Error(fmt::format("{} is no such task file: {}", path, what));
}

std::vector<ChoiceTask> read_hellaswag(const std::string& path) {
  constexpr std::size_t kLines = 6, kEndings = 4;
  const auto lines = lines_of(read_text(path));
  if (lines.empty() || lines.size() % kLines != 0) {
    throw unsound(path, fmt::format("it has {} lines, and each task has {}", lines.size(), kLines));
  }
  std::vector<ChoiceTask> tasks;
  for (std::size_t begin = 0; begin < lines.size(); begin += kLines) {
    auto& task = tasks.emplace_back();
    const auto right = number_in(lines[begin + 1]);
    if (!right || *right < 0 || *right >= static_cast<int>(kEndings)) {
      throw unsound(path, fmt::format("line {} is not the number of an ending, 0 to 3", begin + 2));
    }
    for (std::size_t ending = 0; ending < kEndings; ++ending) {
      task.texts.push_back(lines[begin] + " " + lines[begin + 2 + ending]);
      task.is_right.push_back(static_cast<int>(ending) == *right);
    }
  }
  return tasks;
}

// The places of the first four commas that are not in quotes.
std::optional<std::array<std::size_t, 4>> commas_in(const std::string& line) {
  std::array<std::size_t, 4> commas{};
  std::size_t found = 0;
  bool is_quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') is_quoted = !is_quoted;
    if (line[i] != ',' || is_quoted) continue;
    commas[found++] = i;
    if (found == commas.size()) return commas;
  }
  return std::nullopt;
}

std::vector<ChoiceTask> read_winogrande(const std::string& path) {
  std::vector<ChoiceTask> tasks;
  std::size_t number = 0;
  for (const auto& line : lines_of(read_text(path))) {
    ++number;
    if (line.empty() || line == "\r") continue;
    const auto fault = [&](const char* what) { return unsound(path, fmt::format("line {} {}", number, what)); };
    const auto commas = commas_in(line);
    if (!commas) throw fault("has not the five fields number, sentence, choice, choice, answer");
    const auto field = [&](std::size_t which) {
      const auto begin = (*commas)[which] + 1;
      return line.substr(begin, which + 1 < commas->size() ? (*commas)[which + 1] - begin : line.npos);
    };
    auto sentence = field(0);
    if (sentence.size() >= 2 && sentence.front() == '"') sentence = sentence.substr(1, sentence.size() - 2);
    const auto gap = sentence.find('_');
    if (gap == sentence.npos) throw fault("has no '_' in its sentence");
    const auto right = number_in(field(3));
    if (!right || *right < 1 || *right > 2) throw fault("has an answer that is not 1 or 2");
    auto& task = tasks.emplace_back();
    for (const int choice : {1, 2}) {
      task.before.push_back(sentence.substr(0, gap) + field(static_cast<std::size_t>(choice)));
      task.texts.push_back(task.before.back() + sentence.substr(gap + 1));
      task.is_right.push_back(choice == *right);
    }
  }
  if (tasks.empty()) throw unsound(path, "it is empty");
  return tasks;
}

// The binary form: little-endian integers of 32 bits, and texts after their lengths.
class BinaryTasks {
 public:
  BinaryTasks(const std::string& path, std::string bytes) : path_(path), bytes_(std::move(bytes)) {}

  std::uint32_t number() {
    std::uint32_t value = 0;
    if (bytes_.size() - at_ < sizeof value) throw unsound(path_, fmt::format("it ends at byte {}", bytes_.size()));
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const auto size = number();
    if (bytes_.size() - at_ < size) throw unsound(path_, fmt::format("it ends at byte {}", bytes_.size()));
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  void skip(std::uint64_t bytes) {
    if (bytes_.size() - at_ < bytes) throw unsound(path_, fmt::format("it ends at byte {}", bytes_.size()));
    at_ += bytes;
  }

 private:
  const std::string& path_;
  std::string bytes_;
  std::size_t at_ = 0;
};

// Answers and whether each is right. A list of answers with several right ones follows, which nothing is made of.
void read_answers(BinaryTasks& file, const std::string& path, std::vector<std::string>& answers,
                  std::vector<bool>& is_right) {
  constexpr std::uint32_t kMost = 100;  // llama-perplexity's
  const auto count = file.number();
  if (count > kMost) throw unsound(path, fmt::format("a task has {} answers, and may have {}", count, kMost));
  for (std::uint32_t i = 0; i < count; ++i) answers.push_back(file.text());
  for (std::uint32_t i = 0; i < count; ++i) is_right.push_back(file.number() == 1);
}

std::vector<ChoiceTask> read_multiple_choice(const std::string& path) {
  BinaryTasks file(path, read_text(path));
  const auto count = file.number();
  if (count == 0) throw unsound(path, "it has no tasks");
  file.skip(std::uint64_t{count} * sizeof(std::uint32_t));  // where each task is
  std::vector<ChoiceTask> tasks;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& task = tasks.emplace_back();
    const auto question = file.text();
    std::vector<std::string> answers, others;
    std::vector<bool> others_right;
    read_answers(file, path, answers, task.is_right);
    read_answers(file, path, others, others_right);
    if (question.empty() || answers.size() < 2) {
      throw unsound(path, fmt::format("task {} has no question, or less than two answers", i));
    }
    for (const auto& answer : answers) {
      if (answer.empty()) throw unsound(path, fmt::format("task {} has an empty answer", i));
      task.texts.push_back(fmt::format("{} {}", question, answer));
    }
  }
  return tasks;
}

std::vector<ChoiceTask> read_all(TaskKind kind, const std::string& path) {
  switch (kind) {
    case TaskKind::hellaswag:
      return read_hellaswag(path);
    case TaskKind::winogrande:
      return read_winogrande(path);
    case TaskKind::multiple_choice:
      break;
  }
  return read_multiple_choice(path);
}

}  // namespace

std::string to_string(TaskKind kind) {
  switch (kind) {
    case TaskKind::hellaswag:
      return "hellaswag";
    case TaskKind::winogrande:
      return "winogrande";
    case TaskKind::multiple_choice:
      break;
  }
  return "multiple-choice";
}

std::vector<ChoiceTask> read_tasks(TaskKind kind, const std::string& path, int most) {
  const auto all = read_all(kind, path);
  const auto count = most == 0 ? all.size() : std::min(all.size(), static_cast<std::size_t>(most));
  const auto order =
      kind == TaskKind::hellaswag ? hellaswag_order(all.size(), count) : selected_order(all.size(), count);
  std::vector<ChoiceTask> tasks;
  for (const auto item : order) {
    tasks.push_back(all[item]);
    tasks.back().item = static_cast<int>(item);
  }
  return tasks;
}

TokenizedTask tokenize(const ChoiceTask& task, const Model& model) {
  TokenizedTask tokenized;
  for (const auto& text : task.texts) tokenized.answers.push_back({model.tokenize(text, true, false)});
  tokenized.last_wins_ties = !task.before.empty();
  const auto& first = tokenized.answers.front().tokens;
  const auto is_shared = [&](std::size_t at) {
    return std::all_of(tokenized.answers.begin(), tokenized.answers.end(), [&](const ChoiceTokens& answer) {
      return at < answer.tokens.size() && answer.tokens[at] == first[at];
    });
  };
  while (tokenized.shared < first.size() && is_shared(tokenized.shared)) ++tokenized.shared;
  constexpr std::size_t kMinTrailing = 3;
  const bool skips_choice =
      !task.before.empty() &&
      std::all_of(tokenized.answers.begin(), tokenized.answers.end(),
                  [&](const ChoiceTokens& answer) { return answer.tokens.size() - tokenized.shared > kMinTrailing; });
  for (std::size_t i = 0; i < tokenized.answers.size(); ++i) {
    auto& answer = tokenized.answers[i];
    // Nothing says how likely a text's first token is.
    answer.first = std::max<std::size_t>(tokenized.shared, 1);
    if (skips_choice) answer.first = std::max(answer.first, model.tokenize(task.before[i], true, false).size());
    answer.end = answer.tokens.size();
    const bool drops_last = !task.before.empty() && answer.end > answer.first + 1;
    if (drops_last) --answer.end;
    if (answer.end <= answer.first) {
      throw Error(fmt::format("task {}: its answer {} adds no token to what all share", task.item, i));
    }
  }
  return tokenized;
}

}  // namespace fakequant
