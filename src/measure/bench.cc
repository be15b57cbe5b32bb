#include "measure/bench.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "error.h"
#include "measure/paired_ratio.h"

namespace fakequant {
namespace {

constexpr int kDecodeTokens = 32;

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The times of one context, run after run.
struct Times {
  std::vector<double> prompt;  // seconds
  std::vector<double> decode;
};

void run(Context& context, const std::vector<Token>& prompt, int decode_tokens, Times& times) {
  context.clear();
  times.prompt.push_back(seconds_of([&] { context.evaluate(prompt); }));
  times.decode.push_back(seconds_of([&] {
    for (int i = 0; i < decode_tokens; ++i) context.evaluate({&prompt[static_cast<std::size_t>(i) % prompt.size()], 1});
  }));
}

// Any tokens will do: what is computed does not depend on which they are.
std::vector<Token> some_tokens(const Model& model, int count) {
  std::vector<Token> tokens;
  for (int i = 0; i < count; ++i)
    tokens.push_back(static_cast<Token>((std::int64_t{i} * 7919 + 11) % model.vocabulary_size()));
  return tokens;
}

Speed speed(std::span<const double> times, std::span<const double> baseline, double baseline_tps) {
  const auto ratio = paired_ratio(times, baseline);
  return {baseline_tps / ratio.median, ratio.median, ratio.low, ratio.high};
}

std::uint64_t peak_memory() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

}  // namespace

BenchResult bench(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                  const BenchOptions& options, const Progress& progress) {
  Subjects subjects(model_files, options.devices);
  const auto& model = subjects.baseline();
  BenchResult result;
  result.model = model_files.front();
  result.threads = options.threads;
  result.prompt_tokens = options.prompt_tokens > 0 ? options.prompt_tokens : std::max(1, choose_ctx_size(model, 0) / 2);
  const int room = model.trained_context() - result.prompt_tokens;
  result.decode_tokens = options.decode_tokens > 0 ? options.decode_tokens : std::clamp(room, 1, kDecodeTokens);
  result.repetitions = options.repetitions;
  result.load_ms = model.load_ms();

  const int ctx_size = result.prompt_tokens + result.decode_tokens;
  if (ctx_size > model.trained_context()) {
    throw usage_error(
        fmt::format("{} prompt and {} decode tokens do not fit the {} that {} was trained for: give fewer",
                    result.prompt_tokens, result.decode_tokens, model.trained_context(), model_files.front()));
  }
  const ContextOptions context_options{ctx_size, options.threads};
  auto contexts = subjects.open(variants, context_options);
  contexts.insert(contexts.begin(), subjects.open_baseline(context_options));

  const auto tokens = some_tokens(model, result.prompt_tokens);
  std::vector<Times> times(contexts.size());
  for (auto& context : contexts) {  // once for the caches, not counted
    Times warm_up;
    run(*context, tokens, result.decode_tokens, warm_up);
  }
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    // Forwards and backwards in turn, so that no one always runs after the same other.
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      const auto place = repetition % 2 == 0 ? i : contexts.size() - 1 - i;
      run(*contexts[place], tokens, result.decode_tokens, times[place]);
    }
    if (progress) progress(static_cast<double>(repetition + 1) / options.repetitions);
  }

  result.prompt_tps = result.prompt_tokens / median(times[0].prompt);
  result.decode_tps = result.decode_tokens / median(times[0].decode);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    result.variants.push_back({variants[v].name, variants[v].recipe,
                               speed(times[v + 1].prompt, times[0].prompt, result.prompt_tps),
                               speed(times[v + 1].decode, times[0].decode, result.decode_tps)});
  }
  result.peak_rss = peak_memory();
  return result;
}

}  // namespace fakequant
