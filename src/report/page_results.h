// The input of a page: a study, or all studies and JSON results in a folder.
//
// A study is converted to the result of a sweep over all of it, so that a page consists only of results, which are
// distinguished by their schema.
#pragma once

#include <string>
#include <vector>

#include "report/json_file.h"

namespace fakequant {

struct PageResults {
  struct Shown {
    std::string file;  // name
    Json result;
  };
  struct LeftOut {
    std::string file;
    std::string why;
  };
  std::vector<Shown> shown;       // sorted by file
  std::vector<LeftOut> left_out;  // files of fakequant that are not shown
  std::vector<std::string> read;  // paths
};

// Reads a study or a folder. Throws an Error when the path is neither or cannot be read, and when a folder has nothing
// to show.
PageResults read_page_results(const std::string& path);

}  // namespace fakequant
