// Maps the sums of a chunk to columns of the table `scores`. The columns follow from kScoreQuantities.
//
// SQLite has no NaN. NULL stands for NaN and for a value that was never measured.
#pragma once

#include <string>
#include <vector>

#include "measure/score_quantities.h"

namespace SQLite {
class Statement;
}

namespace fakequant {

// The columns that a version of the schema added, with their types: "kld REAL".
std::vector<std::string> score_column_definitions(int version);

// All columns, for a SELECT from a study of this version: "predictions, nll, ...". Selects NULL for a column that the
// study lacks.
std::string selected_score_columns(int version);

// All columns, for an INSERT into a study of the newest version, and a placeholder for each: "?, ?, ...".
std::string inserted_score_columns();
std::string score_placeholders();

// Reads the columns of selected_score_columns(), starting at the column `first`.
ScoreSums read_score(SQLite::Statement& row, int first);

// Binds the parameters of score_placeholders(), starting at the parameter `first`.
void bind_score(SQLite::Statement& statement, int first, const ScoreSums& sums);

// Whether new sums equal those in the study. Ignores a quantity that one side lacks because it was measured before the
// quantity existed.
bool agree(const ScoreSums& stored, const ScoreSums& measured);

// Fills in the quantities that `sums` lacks from `other`. Returns whether it changed anything.
bool fill_in_missing(ScoreSums& sums, const ScoreSums& other);

}  // namespace fakequant
