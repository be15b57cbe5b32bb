#include "measure/bench.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <random>

#include "error.h"
#include "measure/paired_ratio.h"
#include "seconds_of.h"

namespace fakequant {
namespace {

constexpr int kDecodeTokens = 32;
constexpr double kWarmUp = 1;  // seconds

// Equal models run at speeds that differ a little for as long as the process lives, because of where their memory lies;
// no number of rounds tells that from a cost, so it is added to both ends of each interval. Of 60 comparisons of the
// demo model with copies of itself (mantissa23, a rounding that changes nothing; 15 processes, 2 threads, a busy
// machine) 16 were told apart without this, and one with it, by 0.9 %; the number is chosen from them. Rarely it is
// more: of a dozen further processes the baseline decoded 5 % slower in one, through all its rounds. A surprise is
// worth a second run.
constexpr double kPlacement = 1.008;

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
  return {baseline_tps / ratio.ratio, ratio.ratio, ratio.low / kPlacement, ratio.high * kPlacement};
}

// Bytes of the process in memory now; none where the system does not say (Linux does).
std::optional<std::int64_t> memory_held() {
  std::ifstream file("/proc/self/statm");
  std::int64_t all = 0, resident = 0;
  if (!(file >> all >> resident)) return std::nullopt;
  return resident * sysconf(_SC_PAGESIZE);
}

// How much more it is now than it was.
std::optional<std::int64_t> memory_added(const std::optional<std::int64_t>& before) {
  const auto now = memory_held();
  if (!before || !now) return std::nullopt;
  return *now - *before;
}

std::uint64_t peak_memory() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

}  // namespace

BenchResult bench(const std::vector<std::string>& model_files, const std::vector<Variant>& variants,
                  const BenchOptions& options, const Progress& progress) {
  const auto memory_before = memory_held();
  LoadedModels models(model_files, options.compute);
  const auto& model = models.baseline();
  BenchResult result;
  result.model = model_files.front();
  result.threads = options.compute.threads;
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
  const auto of_context = context_options(ctx_size, options.compute);
  const auto tokens = some_tokens(model, result.prompt_tokens);
  std::vector<std::unique_ptr<Context>> contexts;
  Times not_counted;
  const auto run_first = [&](std::unique_ptr<Context> context) {
    run(*context, tokens, result.decode_tokens, not_counted);
    contexts.push_back(std::move(context));
  };
  run_first(models.open_baseline(of_context));
  result.rss_added = memory_added(memory_before);
  for (const auto& variant : variants) {
    BenchVariant opened;
    opened.name = variant.name;
    opened.recipe = variant.recipe;
    const auto before = memory_held();
    run_first(models.open(variant, of_context));
    opened.rss_added = memory_added(before);
    if (const auto& own = contexts.back()->model(); &own != &model) opened.load_ms = own.load_ms();
    result.variants.push_back(std::move(opened));
  }
  for (double warm = 0; warm < kWarmUp;) {
    warm += seconds_of([&] {
      for (auto& context : contexts) run(*context, tokens, result.decode_tokens, not_counted);
    });
  }

  std::vector<Times> times(contexts.size());
  std::vector<std::size_t> order(contexts.size());
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(1);
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    std::shuffle(order.begin(), order.end(), random);  // no one runs after the same other more often than the rest
    for (const auto index : order) run(*contexts[index], tokens, result.decode_tokens, times[index]);
    if (progress) progress(static_cast<double>(repetition + 1) / options.repetitions);
  }

  result.prompt_tps = result.prompt_tokens / median(times[0].prompt);
  result.decode_tps = result.decode_tokens / median(times[0].decode);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    result.variants[v].prompt = speed(times[v + 1].prompt, times[0].prompt, result.prompt_tps);
    result.variants[v].decode = speed(times[v + 1].decode, times[0].decode, result.decode_tps);
  }
  result.peak_rss = peak_memory();
  return result;
}

}  // namespace fakequant
