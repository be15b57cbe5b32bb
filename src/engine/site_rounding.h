// How the values of one activation are rounded under a rule, whatever is done with the result: the format with an
// activation's defaults, which tokens, which scale. Knows formats, rules and how values divide into tokens; nothing of
// graphs or ggml.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/activation_sites.h"
#include "engine/site_counters.h"
#include "engine/token_rows.h"
#include "format/scale_search.h"
#include "gguf/channel_file.h"
#include "recipe/rule.h"
#include "recipe/static_ranges.h"

namespace fakequant {

struct SiteRounding {
  Format format;  // as the rule gives it, with what it leaves out filled in for activations
  TokenSet tokens;
  TokenDimension token_dimension;
  std::optional<SharedScale> static_scale;
  std::vector<float> column_factors;  // of the columns of a token, whatever number of rows those are
  std::uint64_t random_key = 0;
};

// The files that the formats of activations name, each read once.
struct SiteFiles {
  std::map<std::string, StaticRanges> ranges;
  std::map<std::string, ChannelFile> channels;
};

// Throws a usage error when a row cannot be held in the format, when the rule picks tokens or a scale would span
// several and the site's tokens cannot be told apart, when a file has nothing for the site, and when it is smoothed and
// is not the input of a product with a weight. Throws an Error for a file that cannot be read.
SiteRounding make_site_rounding(const ActivationSite& site, const Rule& rule, const TokenDimension& dimension,
                                SiteFiles& files);

// Throws a usage error where the rule picks tokens and those of the site's values cannot be told apart.
void check_token_choice(const TokenDimension& dimension, const Rule& rule);

// Counters of a site at which nothing has been done yet.
SiteCounters counters_of(const ActivationSite& site, const Rule& rule, int layers);

// Adds rows of `columns` values, `values` in all. Where rows have different lengths, there is no number of columns.
void count_rows(SiteCounters& counters, std::int64_t values, std::int64_t columns);

// Rounds the values of a node of this shape, those of the chosen tokens, in place, and adds what that did to the
// counters. Returns how many values it had to round. Neither the threads nor how a text is divided into batches changes
// a value or a figure.
std::int64_t round_site(const SiteRounding& rounding, float* values, const NodeShape& shape, const TokenBatch& batch,
                        int threads, SiteCounters& counters);

}  // namespace fakequant
