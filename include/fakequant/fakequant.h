/* Number formats as simulated quantization knows them: what a format holds, and arrays of float32 rounded to it.
 *
 * A plain C interface of libfakequant_formats, for other languages and for hooks in other programs. The library needs
 * no llama.cpp and no model. docs/formats.md defines every format exactly; results equal those of the program fakequant
 * in every bit.
 *
 *     fakequant_format* format = fakequant_parse("nvfp4,rotate=hadamard");
 *     if (format == NULL || fakequant_round(format, weight, rows, columns, NULL, NULL) != 0)
 *       fprintf(stderr, "%s\n", fakequant_last_error());
 *     fakequant_free(format);
 *
 * Errors: a function that can fail says so by its result, and fakequant_last_error() has the line for the user. No
 * function prints, throws, ends the process, or changes a signal handler or the locale.
 *
 * Threads: all functions may be called from several threads at once. A format does not change after it was parsed, and
 * several threads may use it; nobody may use it after fakequant_free(). Each thread has its own last error. No function
 * starts a thread: to use several, round parts of an array that share no scale in parallel.
 */
#ifndef FAKEQUANT_FAKEQUANT_H
#define FAKEQUANT_FAKEQUANT_H

#include <fakequant/export.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A format with all of its options. */
typedef struct fakequant_format fakequant_format;

/* The version of the library: "0.1.0". */
FAKEQUANT_API const char* fakequant_version(void);

/* What went wrong in the last call of this thread that failed: one line of UTF-8, without a newline, cut to 2047 bytes.
 * Empty before any failure. It stays until the thread's next failure. */
FAKEQUANT_API const char* fakequant_last_error(void);

/* The names of formats, in the order of listings: fakequant_name(0), ... Those with a number or a file in them are
 * there once: "eXmY", "mantissaN", "int2..int16", "lookup:FILE". NULL for an index that is out of range. */
FAKEQUANT_API int64_t fakequant_name_count(void);
FAKEQUANT_API const char* fakequant_name(int64_t index);

/* Parses "NAME[,KEY=VALUE]...", such as "e4m3", "int4,per=block,block=64,mode=asym" or "nvfp4,rotate=hadamard".
 * NULL if there is no such format, and for formats that this library does not hold: the types of ggml (q4_k, iq4_nl),
 * which ggml's own code rounds to, and range=static:FILE, which has ranges for the sites of a model. "lookup:FILE"
 * reads the file now. Release the format by fakequant_free(). */
FAKEQUANT_API fakequant_format* fakequant_parse(const char* text);

/* Releases a format, and all that was returned for it. NULL is allowed. */
FAKEQUANT_API void fakequant_free(fakequant_format* format);

/* The shortest text that fakequant_parse() reads back to the same format; it lives as long as the format. */
FAKEQUANT_API const char* fakequant_text(const fakequant_format* format);

/* What a format holds. Values are in units of the scale, where the format has one. */
typedef struct fakequant_facts {
  double bits;    /* of a value, with its share of the scale of a block or tile; scales of rows, tokens and tensors are
                     not counted, nor are outer scales */
  double largest; /* finite value */
  double smallest_normal;    /* NaN: there is none, as steps are the same everywhere or values are a list */
  double smallest_subnormal; /* the smallest value above 0 */
  int64_t steps;             /* from 1 to 2; 0 for whole numbers and lists */
  const char* codes;         /* the layout of a value: "1 sign, 4 exponent, 3 mantissa", "-127 .. 127" */
  const char* specials;      /* those of inf, NaN, -0 that have codes: "NaN -0" */
  const char* scale;         /* the values that share it, and its type; empty: there is none */
  const char* rotation;      /* the matrix that rows are multiplied by; empty: there is none */
  const char* source;        /* the specification */
} fakequant_facts;

/* They live as long as the format. */
FAKEQUANT_API const fakequant_facts* fakequant_facts_of(const fakequant_format* format);

/* How many codes an element of the format has: 2 to the number of its bits, for integers and lists as many as it has
 * values. */
FAKEQUANT_API int64_t fakequant_code_count(const fakequant_format* format);

/* Writes the values of `count` codes, beginning with code `first`, in units of the scale. Codes of floats, and the
 * two's complement of mxint8, are ordered by their bits; integers and lists ascend. NaN for codes that are no numbers.
 * Returns 0, and another number where codes are out of range. */
FAKEQUANT_API int fakequant_code_values(const fakequant_format* format, int64_t first, int64_t count, double* values);

/* What values are, for the formats that need to know. NULL, or all zero, means a weight. */
typedef struct fakequant_place {
  /* 0: the rows are one weight, a matrix. A format that does not say otherwise has a scale for each row, and the scales
   * of tensors (per=tensor, the outer scale of NVFP4) are found over all rows.
   * N > 0: an activation, of which each N rows are one token. A format that does not say otherwise has a scale for each
   * token; outer scales are those of a token. `rows` must be a multiple of N. */
  int64_t token_rows;

  /* The random words of round=stochastic depend on the seed of the format, on this name, and on the position of a
   * value. The program's are the name of a tensor ("blk.0.ffn_up.weight") or of a site ("ffn_norm-5"). NULL: the name
   * of the format, as `fakequant formats` has it. */
  const char* site;

  /* Of activations: the position of the first token, which the random words depend on. */
  uint32_t position;
} fakequant_place;

/* Rounds float32 values in place: each becomes the value of the code that it rounds to, times its scale.
 *
 * `values` are `rows` rows of `columns` contiguous values, one after the other. A row is what a matrix product adds up
 * over: the input dimension of a weight, the features of a token. Either number may be 0.
 * `saturated`, where it is not NULL, becomes how many values were beyond the largest value.
 *
 * Returns 0, and another number if the format cannot hold such rows (a rotation whose blocks do not divide them), if it
 * is not for such values (tile= and per=tensor at activations, per=token at weights), or if memory is exhausted. Then
 * the values are as they were, except where memory was exhausted. */
FAKEQUANT_API int fakequant_round(const fakequant_format* format, float* values, int64_t rows, int64_t columns,
                                  const fakequant_place* place, int64_t* saturated);

#ifdef __cplusplus
}
#endif

#endif /* FAKEQUANT_FAKEQUANT_H */
