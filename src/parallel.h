// A loop over independent, numbered pieces of work on several threads.
//
// Results are combined in the order of the numbers, so that they do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <vector>

#include "progress.h"

namespace fakequant {

// Calls work(piece) for every piece in [0, pieces), on at most `threads` threads, and `progress`, which must not throw,
// after each. If calls throw, no higher piece is started, and the exception of the lowest piece is rethrown at the end.
template <typename Work>
void parallel_for(std::int64_t pieces, int threads, const Work& work, const Progress& progress = {}) {
  std::exception_ptr error;
  std::int64_t error_piece = pieces;
  std::int64_t done = 0;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1 && pieces > 1)
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    bool wanted = true;
#pragma omp critical(fakequant_parallel_for)
    wanted = piece < error_piece;
    if (!wanted) continue;
    try {
      work(piece);
      if (progress) {
#pragma omp critical(fakequant_parallel_for_progress)
        progress(static_cast<double>(++done) / static_cast<double>(pieces));
      }
    } catch (...) {
#pragma omp critical(fakequant_parallel_for)
      if (piece < error_piece) {
        error_piece = piece;
        error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

// The same with results: calls fold(piece, work(piece)) in the order of the pieces, on the calling thread. Holds a
// bounded number of results at a time, however many pieces there are.
template <typename Work, typename Fold>
void parallel_fold(std::int64_t pieces, int threads, const Work& work, const Fold& fold,
                   const Progress& progress = {}) {
  constexpr std::int64_t kMaxHeld = 1024;
  std::vector<std::invoke_result_t<Work, std::int64_t>> results;
  for (std::int64_t begin = 0; begin < pieces; begin += kMaxHeld) {
    const auto count = std::min(kMaxHeld, pieces - begin);
    results.clear();
    results.resize(static_cast<std::size_t>(count));
    const auto report = [&](double done) {
      progress((static_cast<double>(begin) + done * static_cast<double>(count)) / static_cast<double>(pieces));
    };
    parallel_for(
        count, threads, [&](std::int64_t i) { results[static_cast<std::size_t>(i)] = work(begin + i); },
        progress ? Progress(report) : Progress());
    for (std::int64_t i = 0; i < count; ++i) fold(begin + i, std::move(results[static_cast<std::size_t>(i)]));
  }
}

}  // namespace fakequant
