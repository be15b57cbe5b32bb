// The least that reading a file's F16 values can cost: reads a file with as many threads as asked, widens every two
// bytes as a half-precision float and adds them up. The peer of `inspect`.
//
// Usage: read_worker FILE THREADS. Prints the sum.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,f16c"))) float sum_of(const std::uint16_t* halves, std::size_t count) {
  auto a = _mm256_setzero_ps(), b = a, c = a, d = a;
  const auto load = [&](std::size_t i) __attribute__((target("avx2,f16c"))) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves + i)));
  };
  for (std::size_t i = 0; i + 32 <= count; i += 32) {
    a = _mm256_add_ps(a, load(i));
    b = _mm256_add_ps(b, load(i + 8));
    c = _mm256_add_ps(c, load(i + 16));
    d = _mm256_add_ps(d, load(i + 24));
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}
#else
float sum_of(const std::uint16_t* halves, std::size_t count) {
  float sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<float>(reinterpret_cast<const _Float16*>(halves)[i]);
  return sum;
}
#endif

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const int fd = open(arguments[1], O_RDONLY);
  struct stat status {};
  if (fd < 0 || fstat(fd, &status) != 0) return 1;
  constexpr std::int64_t kPiece = 1 << 17;
  const std::int64_t pieces = status.st_size / kPiece;
  double total = 0;
#pragma omp parallel num_threads(std::atoi(arguments[2])) reduction(+ : total)
  {
    std::vector<std::uint16_t> halves(kPiece / 2);
#pragma omp for schedule(dynamic)
    for (std::int64_t piece = 0; piece < pieces; ++piece) {
      if (pread(fd, halves.data(), kPiece, piece * kPiece) != kPiece) std::exit(1);
      total += static_cast<double>(sum_of(halves.data(), halves.size()));
    }
  }
  std::printf("%g\n", total);
}
