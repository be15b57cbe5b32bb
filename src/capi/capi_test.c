/* The C interface of the formats, used by a program in C11: what it answers, what it refuses, and several threads. */
#include <fakequant/fakequant.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kRows = 8, kColumns = 64, kValues = kRows * kColumns, kThreads = 8, kRounds = 200 };

static void check(int holds, const char* what, int line) {
  if (holds) return;
  fprintf(stderr, "capi_test.c:%d: %s does not hold; the last error is: %s\n", line, what, fakequant_last_error());
  exit(1);
}
#define CHECK(what) check((what), #what, __LINE__)

static void fill(float* values) {
  uint32_t state = 1;
  for (int i = 0; i < kValues; ++i) {
    state = state * 1664525u + 1013904223u;
    values[i] = (float)((int32_t)state >> 8) / (float)(1 << 20);
  }
}

static fakequant_format* parsed(const char* text) {
  fakequant_format* format = fakequant_parse(text);
  CHECK(format != NULL);
  return format;
}

static void check_refused(const char* text, const char* why) {
  CHECK(fakequant_parse(text) == NULL);
  CHECK(strstr(fakequant_last_error(), why) != NULL);
  CHECK(strchr(fakequant_last_error(), '\n') == NULL);
}

static void test_names(void) {
  int has_nvfp4 = 0;
  for (int64_t i = 0; i < fakequant_name_count(); ++i) has_nvfp4 |= strcmp(fakequant_name(i), "nvfp4") == 0;
  CHECK(has_nvfp4);
  CHECK(fakequant_name(-1) == NULL && fakequant_name(fakequant_name_count()) == NULL);
  CHECK(strlen(fakequant_version()) >= 5);
}

static void test_facts(void) {
  fakequant_format* format = parsed("e4m3");
  const fakequant_facts* facts = fakequant_facts_of(format);
  CHECK(facts->bits == 8 && facts->largest == 448 && facts->steps == 8);
  CHECK(facts->smallest_normal == 1.0 / 64 && facts->smallest_subnormal == 1.0 / 512);
  CHECK(strcmp(facts->specials, "NaN -0") == 0 && strcmp(facts->scale, "") == 0);
  CHECK(fakequant_code_count(format) == 256);
  double values[256];
  CHECK(fakequant_code_values(format, 0, 256, values) == 0);
  CHECK(values[0x38] == 1 && values[0xb8] == -1 && values[0x7e] == 448 && isnan(values[0x7f]) && signbit(values[0x80]));
  CHECK(fakequant_code_values(format, 0x38, 1, values) == 0 && values[0] == 1);
  CHECK(fakequant_code_values(format, 255, 2, values) != 0);
  CHECK(strstr(fakequant_last_error(), "not among the 256") != NULL);
  fakequant_free(format);

  format = parsed("e2m1,per=block,block=16,scale=e4m3,outer=f32");
  CHECK(strcmp(fakequant_text(format), "nvfp4") == 0 && fakequant_facts_of(format)->bits == 4.5);
  CHECK(fakequant_code_count(format) == 16);
  fakequant_free(format);

  format = parsed("int4,codes=full");
  CHECK(fakequant_code_count(format) == 16);
  CHECK(fakequant_code_values(format, 0, 16, values) == 0 && values[0] == -8 && values[15] == 7);
  CHECK(isnan(fakequant_facts_of(format)->smallest_normal));
  fakequant_free(format);

  format = parsed("int4,mode=asym");
  CHECK(fakequant_code_values(format, 0, 16, values) == 0 && values[0] == 0 && values[15] == 15);
  fakequant_free(format);

  format = parsed("nf4");
  CHECK(fakequant_code_values(format, 0, 16, values) == 0 && values[0] == -1 && values[15] == 1);
  fakequant_free(format);
}

static void test_refusals(void) {
  check_refused("e4m", "unknown format 'e4m'");
  check_refused("int4,size=3", "has no option 'size'");
  check_refused("q4_k", "q4_k is a type of ggml");
  check_refused("ggml:mxfp4", "is a type of ggml");
  check_refused("iq4_nl,rotate=hadamard", "is a type of ggml");
  check_refused("e4m3,range=static:ranges.json", "ranges for the sites of a model");
  check_refused("lookup:/nowhere.txt", "cannot read it");
  check_refused("", "unknown format ''");
  check_refused(NULL, "NULL");

  char longer[5000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  check_refused(longer, "unknown format 'xxx");
  CHECK(strlen(fakequant_last_error()) == 2047);

  float values[kValues], before[kValues];
  fill(values);
  memcpy(before, values, sizeof before);
  fakequant_format* format = parsed("int4,rotate=hadamard:16");
  CHECK(fakequant_round(format, values, 1, 24, NULL, NULL) != 0);
  CHECK(fakequant_round(format, values, -1, 16, NULL, NULL) != 0);
  CHECK(fakequant_round(format, values, INT64_MAX / 8, 16, NULL, NULL) != 0);
  CHECK(fakequant_round(format, NULL, 1, 16, NULL, NULL) != 0);
  CHECK(fakequant_round(NULL, values, 1, 16, NULL, NULL) != 0);
  const fakequant_place token = {.token_rows = 3};
  CHECK(fakequant_round(format, values, 4, 16, &token, NULL) != 0);
  CHECK(strstr(fakequant_last_error(), "4 rows are not tokens of 3 rows") != NULL);
  CHECK(fakequant_round(format, NULL, 0, 16, NULL, NULL) == 0);
  fakequant_free(format);
  const struct {
    const char* text;
    int64_t token_rows;
  } misused[] = {{"int8,per=token", 0}, {"e4m3,tile=4x4", 1}, {"int8,per=tensor", 1}};
  for (int i = 0; i < 3; ++i) {
    const fakequant_place place = {.token_rows = misused[i].token_rows};
    format = parsed(misused[i].text);
    CHECK(fakequant_round(format, values, kRows, kColumns, &place, NULL) != 0);
    fakequant_free(format);
  }
  CHECK(memcmp(values, before, sizeof before) == 0);
  fakequant_free(NULL);
}

static void test_rounding(void) {
  float row[4] = {0.3f, 449, -1e9f, NAN};
  int64_t saturated = -1;
  fakequant_format* format = parsed("e4m3");
  CHECK(fakequant_round(format, row, 1, 4, NULL, &saturated) == 0);
  CHECK(row[0] == 0.3125f && row[1] == 448 && row[2] == -448 && isnan(row[3]) && saturated == 1);
  fakequant_free(format);

  /* Integers by their definition. */
  float values[kValues], before[kValues];
  fill(before);
  memcpy(values, before, sizeof values);
  format = parsed("int4");
  CHECK(fakequant_round(format, values, kRows, kColumns, NULL, &saturated) == 0 && saturated == 0);
  for (int r = 0; r < kRows; ++r) {
    float absmax = 0;
    for (int c = 0; c < kColumns; ++c) absmax = fmaxf(absmax, fabsf(before[r * kColumns + c]));
    const float scale = absmax / 7;
    for (int c = 0; c < kColumns; ++c) {
      CHECK(values[r * kColumns + c] == nearbyintf(before[r * kColumns + c] / scale) * scale);
    }
  }

  /* Two rows of a token share a scale: as one row does. */
  float together[kValues];
  memcpy(together, before, sizeof together);
  memcpy(values, before, sizeof values);
  const fakequant_place pairs = {.token_rows = 2};
  CHECK(fakequant_round(format, values, kRows, kColumns, &pairs, NULL) == 0);
  CHECK(fakequant_round(format, together, kRows / 2, 2 * kColumns, NULL, NULL) == 0);
  CHECK(memcmp(values, together, sizeof values) == 0);
  fakequant_free(format);

  /* Chance depends on the seed, the site and the position, and on nothing else. */
  format = parsed("e4m3,round=stochastic,seed=5");
  fakequant_place places[] = {{1, "a", 0}, {1, "a", 1}, {1, "b", 0}};
  float rounded[3][kValues];
  for (int i = 0; i < 3; ++i) {
    memcpy(rounded[i], before, sizeof before);
    memcpy(values, before, sizeof before);
    CHECK(fakequant_round(format, rounded[i], kRows, kColumns, &places[i], NULL) == 0);
    CHECK(fakequant_round(format, values, kRows, kColumns, &places[i], NULL) == 0);
    CHECK(memcmp(rounded[i], values, sizeof values) == 0);
  }
  CHECK(memcmp(rounded[0], rounded[1], sizeof values) != 0 && memcmp(rounded[0], rounded[2], sizeof values) != 0);
  memcpy(values, before, sizeof before);
  places[0].position = 1; /* the second token by itself */
  CHECK(fakequant_round(format, values + kColumns, 1, kColumns, &places[0], NULL) == 0);
  CHECK(memcmp(values + kColumns, rounded[0] + kColumns, kColumns * sizeof *values) == 0);
  fakequant_free(format);
}

static fakequant_format* shared;
static float expected[kValues];

static void* round_often(void* number) {
  float values[kValues];
  char unknown[32], expected_error[64];
  snprintf(unknown, sizeof unknown, "unknown%d", *(const int*)number);
  snprintf(expected_error, sizeof expected_error, "unknown format '%s'", unknown);
  for (int i = 0; i < kRounds; ++i) {
    CHECK(fakequant_parse(unknown) == NULL);
    fakequant_format* own = parsed("nvfp4,rotate=hadamard");
    fill(values);
    CHECK(fakequant_round(i % 2 ? own : shared, values, kRows, kColumns, NULL, NULL) == 0);
    CHECK(memcmp(values, expected, sizeof values) == 0);
    fakequant_free(own);
    CHECK(strstr(fakequant_last_error(), expected_error) != NULL);
  }
  return NULL;
}

static void test_threads(void) {
  shared = parsed("nvfp4,rotate=hadamard");
  fill(expected);
  CHECK(fakequant_round(shared, expected, kRows, kColumns, NULL, NULL) == 0);
  pthread_t threads[kThreads];
  int numbers[kThreads];
  for (int i = 0; i < kThreads; ++i) {
    numbers[i] = i;
    CHECK(pthread_create(&threads[i], NULL, round_often, &numbers[i]) == 0);
  }
  for (int i = 0; i < kThreads; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  fakequant_free(shared);
}

int main(void) {
  CHECK(strcmp(fakequant_last_error(), "") == 0);
  test_names();
  test_facts();
  test_refusals();
  test_rounding();
  test_threads();
  return 0;
}
