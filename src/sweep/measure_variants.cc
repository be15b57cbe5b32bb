#include "sweep/measure_variants.h"

#include <algorithm>
#include <limits>

#include "measure/prepared_variants.h"

namespace fakequant {
namespace {

constexpr std::size_t kMaxKeptBytes = std::size_t{512} << 20;  // of baseline results

struct KeptChunk {
  ChunkPosition position;
  KeptBaseline baseline;
};

class Measuring {
 public:
  Measuring(SweepSession& session, const IsWanted& wanted, SweepWork& work)
      : session_(session), wanted_(wanted), work_(work) {}

  void run() {
    for (auto next = session_.chunks().begin(); next != session_.chunks().end() && !session_.is_interrupted();) {
      const auto block = keep_block(next);
      for (std::size_t v = 0; v < session_.variants().size() && !session_.is_interrupted(); ++v) {
        if (!block.empty()) measure_block(v, block);
      }
    }
  }

 private:
  using Block = std::vector<KeptChunk>;

  bool needs(std::size_t v, const ChunkPosition& position) const {
    return needs_chunk(session_.variants()[v], v, position, wanted_);
  }

  bool is_needed(const ChunkPosition& position) const {
    for (std::size_t v = 0; v < session_.variants().size(); ++v) {
      if (needs(v, position)) return true;
    }
    return false;
  }

  // Evaluates the baseline on the next needed chunks: as many as fit in kMaxKeptBytes, at least one.
  Block keep_block(std::vector<TextChunk>::const_iterator& next) {
    Block block;
    session_.context().set_recipe({});
    for (std::size_t bytes = 0; next != session_.chunks().end() && bytes < kMaxKeptBytes && !session_.is_stopped();
         ++next) {
      if (!is_needed(next->position)) continue;
      block.push_back({next->position,
                       keep_baseline(session_.context(), session_.chunk_plan(), {next->position.chunk, next->tokens})});
      bytes += block.back().baseline.bytes();
      work_.add_done(1);
    }
    return block;
  }

  void measure_block(std::size_t v, const Block& block) {
    const bool is_needed =
        std::any_of(block.begin(), block.end(), [&](const KeptChunk& kept) { return needs(v, kept.position); });
    if (!is_needed || session_.is_stopped()) return;
    const auto& variant = session_.variants()[v];
    const auto& request = session_.request();
    if (!variant.is_weight()) {
      session_.context().set_recipe({variant.planned.rule});
      return measure_chunks(v, session_.context(), block);
    }
    PreparedVariants prepared(session_.file(), request.storage, request.compute);
    prepared.add(variant.name, {variant.planned.rule});
    const auto& changed = prepared.variants().front();
    if (changed.weights) {
      auto context = session_.context_with(*changed.weights);
      return measure_chunks(v, context, block);
    }
    const Model rounded(changed.model, request.compute.devices, request.compute.arithmetic);
    Context context(rounded, session_.chunk_plan().context, {});
    measure_chunks(v, context, block);
  }

  void measure_chunks(std::size_t v, Context& context, const Block& block) {
    auto& variant = session_.variants()[v];
    const int unchanged = variant.is_weight() ? variant.planned.lowest_layer : std::numeric_limits<int>::max();
    for (const auto& [position, baseline] : block) {
      if (!needs(v, position)) continue;
      if (session_.is_stopped()) return;
      const double passes = session_.passes(variant);
      auto scored = score_chunk(context, session_.chunk_plan(), baseline, unchanged);
      if (scored.overflow_token) {
        session_.store(variant, overflow_of(context, position, *scored.overflow_token));
        return work_.show_done(variant, passes);
      }
      if (variant.is_weight() && !variant.planned.is_layered) {
        scored.start.why_whole = "it changes weights outside the layers";
      }
      session_.store(variant, position, baseline.sums, scored);
      work_.show_done(variant, passes);
    }
  }

  SweepSession& session_;
  const IsWanted& wanted_;
  SweepWork& work_;
};

}  // namespace

void SweepWork::show_done(const SweptVariant& variant, double passes) {
  done_ += passes;
  session_.show_progress(done_, planned_);
  const auto& progress = session_.request().progress;
  if (progress) progress({std::min(1.0, done_ / planned_), variant.name, session_.measured()});
}

bool needs_chunk(const SweptVariant& variant, std::size_t index, const ChunkPosition& position,
                 const IsWanted& wanted) {
  return wanted(index, position) && !variant.is_precise && !variant.overflow && !variant.scores.contains(position);
}

void plan_work(const SweepSession& session, const IsWanted& wanted, SweepWork& work) {
  const auto& variants = session.variants();
  for (const auto& chunk : session.chunks()) {
    bool is_needed = false;
    for (std::size_t v = 0; v < variants.size(); ++v) {
      if (!needs_chunk(variants[v], v, chunk.position, wanted)) continue;
      work.plan(session.passes(variants[v]));
      is_needed = true;
    }
    if (is_needed) work.plan(1);  // of the baseline
  }
}

void measure_variants(SweepSession& session, const IsWanted& wanted, SweepWork& work) {
  Measuring(session, wanted, work).run();
}

}  // namespace fakequant
