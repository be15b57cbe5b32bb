// How many bits the values that a variant rounds take in its format.
#pragma once

#include <vector>

#include "recipe/rule.h"
#include "study/study_database.h"

namespace fakequant {

// Scales included; of an activation, for one token. Tokens of attention's cache that a rule keeps in full are not
// counted: at long contexts they are few.
std::int64_t bits_in(const Rule& rule, const std::vector<StudySite>& sites);

// The same for each value. Unset where the study does not say what the variant rounds.
std::optional<double> bits_per_value(const Rule& rule, const std::vector<StudySite>& sites);

}  // namespace fakequant
