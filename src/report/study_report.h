// A study as a table: as CSV for other programs, and what an SQL query finds in it.
#pragma once

#include <string>

#include "report/json_file.h"
#include "study/study_database.h"
#include "sweep/read_study.h"

namespace fakequant {

// A header, and a row for each variant: what it is, how many bits a value takes, and its figures with their errors.
// Text in quotes where CSV needs it (RFC 4180); an unknown figure is empty.
std::string to_csv(const StoredStudy& study);

std::string to_text(const StudyRows& rows);
Json to_json(const StudyRows& rows, const std::string& study, const Provenance& provenance);

}  // namespace fakequant
