// The results that a page shows: a study, or all studies and results of fakequant's commands in a folder.
//
// A study is converted to the result of a sweep over all of it, so that a page holds results only, which differ by
// their schema.
#pragma once

#include <string>
#include <vector>

#include "report/json_file.h"

namespace fakequant {

struct PageResults {
  struct Shown {
    std::string file;  // its name
    Json result;
  };
  struct LeftOut {
    std::string file;
    std::string why;
  };
  std::vector<Shown> shown;       // in the order of the files' names
  std::vector<LeftOut> left_out;  // files of fakequant that are not shown
  std::vector<std::string> read;  // the files' paths
};

// Reads a study's database or a folder. Throws an Error when it is neither or cannot be read, and when a folder holds
// nothing that can be shown.
PageResults read_page_results(const std::string& path);

}  // namespace fakequant
