// A loop over independent pieces of work on several threads.
//
// Pieces are numbered; what they find is stored under their number and put together in order afterwards, so that no
// result depends on the number of threads.
#pragma once

#include <cstdint>
#include <exception>

#include "progress.h"

namespace fakequant {

// Calls work(piece) for every piece in [0, pieces), on at most `threads` threads, and tells `progress` after each,
// which must not throw. When calls throw, the exception of the lowest piece that threw is rethrown after the loop;
// pieces that have not started by then are left out.
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

}  // namespace fakequant
