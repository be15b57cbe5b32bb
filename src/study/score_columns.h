// The sums of a chunk's predictions as columns of the table `scores`, which follow from the table of score quantities.
//
// SQLite has no NaN: a value that is not a number, or that was never measured, is NULL.
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

// All columns, to select them from a study of this version: "predictions, nll, ...". A column that the study does not
// have is selected as NULL.
std::string selected_score_columns(int version);

// All columns, to insert them into a study of the newest version, and a question mark for each: "?, ?, ...".
std::string inserted_score_columns();
std::string score_placeholders();

// Reads the columns of selected_score_columns(), which begin at the column `first`.
ScoreSums read_score(SQLite::Statement& row, int first);

// Binds the parameters of score_placeholders(), which begin at the parameter `first`.
void bind_score(SQLite::Statement& statement, int first, const ScoreSums& sums);

// Whether new sums are those that the study has. A quantity that is missing on one side because it was measured before
// the quantity existed does not count.
bool agree(const ScoreSums& stored, const ScoreSums& measured);

// Takes what `sums` is missing from `other`. Returns whether there was anything.
bool fill_in_missing(ScoreSums& sums, const ScoreSums& other);

}  // namespace fakequant
