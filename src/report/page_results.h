// What a page shows: a study, or all studies and results that fakequant's commands wrote into a folder.
//
// A study becomes the result of the sweep that would have asked for all of it, so that a page knows one kind of thing:
// results, told apart by their schema.
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
  std::vector<Shown> shown;       // by the files' names
  std::vector<LeftOut> left_out;  // what looks like fakequant's, and is not shown
  std::vector<std::string> read;  // the files' paths
};

// Reads a study's database or a folder. Throws an Error when it is neither or cannot be read, and when a folder holds
// nothing that can be shown.
PageResults read_page_results(const std::string& path);

}  // namespace fakequant
