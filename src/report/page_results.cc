#include "report/page_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "error.h"
#include "report/sweep_report.h"
#include "study/study_database.h"
#include "sweep/read_study.h"
#include "text_file.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

constexpr std::array kShown = {"fakequant.bench/1",   "fakequant.compare/1",     "fakequant.drift/1",
                               "fakequant.eval/1",    "fakequant.environment/1", "fakequant.generate/1",
                               "fakequant.inspect/1", "fakequant.plan/1",        "fakequant.sweep/1"};

std::string schema_of(const Json& json) {
  if (!json.is_object()) return {};
  const auto schema = json.find("schema");
  return schema != json.end() && schema->is_string() ? schema->get<std::string>() : std::string();
}

bool has_texts(const Json& json, const std::vector<const char*>& fields) {
  return std::all_of(fields.begin(), fields.end(), [&](const char* field) {
    const auto found = json.find(field);
    return found != json.end() && found->is_string();
  });
}

Json study_json(const std::string& path) {
  const auto study = read_study(path);
  return to_json(study.result, {"", study.subject.version, {study.subject.backends}});
}

void add_study_files(const std::string& path, PageResults& results) {
  for (auto& file : study_files(path)) results.read.push_back(std::move(file));
}

class FolderReader {
 public:
  explicit FolderReader(const fs::path& folder) : folder_(folder) {}

  PageResults run() {
    std::vector<std::string> names;
    about(folder_.string(), [&] {
      std::error_code fault;
      for (auto entry = fs::directory_iterator(folder_, fault); !fault && entry != fs::directory_iterator();
           entry.increment(fault)) {
        std::error_code ignored;
        if (entry->is_regular_file(ignored)) names.push_back(entry->path().filename().string());
      }
      if (fault) throw Error("cannot read the folder: " + fault.message());
    });
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
      if (name.ends_with(".db")) take(name, [&] { add_study(name); });
    }
    for (const auto& name : names) {
      if (name.ends_with(".json")) take(name, [&] { add_file(name); });
    }
    std::stable_sort(results_.shown.begin(), results_.shown.end(),
                     [](const auto& a, const auto& b) { return a.file < b.file; });
    if (results_.shown.empty()) {
      const auto why = results_.left_out.empty()
                           ? std::string()
                           : fmt::format(" ({}: {})", results_.left_out.front().file, results_.left_out.front().why);
      throw Error(fmt::format(
          "{} has nothing to show{}: name a study, or a folder with the JSON that fakequant's commands wrote",
          folder_.string(), why));
    }
    return std::move(results_);
  }

 private:
  // Lists a file that cannot be read among those that are left out.
  template <typename Work>
  void take(const std::string& name, const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      results_.left_out.push_back({name, error.what()});
    }
  }

  void add_study(const std::string& name) {
    const auto path = (folder_ / name).string();
    add_study_files(path, results_);
    auto json = study_json(path);
    studies_.insert(name);
    results_.shown.push_back({name, std::move(json)});
  }

  void add_file(const std::string& name) {
    const auto path = (folder_ / name).string();
    const auto json = Json::parse(read_text(path), nullptr, false);
    if (json.is_discarded()) throw Error("it is not JSON, or damaged");
    if (!schema_of(json).starts_with("fakequant.")) return;  // not a result of fakequant
    results_.read.push_back(path);
    add_result(name, json);
  }

  void add_result(const std::string& name, const Json& json) {
    const auto schema = schema_of(json);
    if (schema == "fakequant.experiment/1") {  // it holds the results of its steps
      for (const auto* step : {"eval", "generate", "bench"}) {
        if (json.contains(step)) add_result(name, json[step]);
      }
      for (const auto& drift : json.value("drift", Json::array())) add_result(name, drift);
      return;
    }
    if (std::find(kShown.begin(), kShown.end(), schema) == kShown.end()) {
      throw Error(fmt::format("the page has no section for {}", schema.empty() ? "it" : schema));
    }
    if (!has_texts(json, {"model", "command", "version"})) throw Error("it is damaged: it does not name its model");
    if (schema == "fakequant.sweep/1" && !is_wanted(json)) return;
    const bool is_there = std::any_of(results_.shown.begin(), results_.shown.end(),
                                      [&](const auto& shown) { return shown.result == json; });
    if (!is_there) results_.shown.push_back({name, json});
  }

  // The result of a sweep is redundant if its study is in the folder.
  bool is_wanted(const Json& sweep) const {
    if (!has_texts(sweep, {"study"})) throw Error("it is damaged: it does not name its study");
    return !studies_.contains(fs::path(sweep["study"].get<std::string>()).filename().string());
  }

  fs::path folder_;
  std::set<std::string> studies_;  // that were read
  PageResults results_;
};

}  // namespace

PageResults read_page_results(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return FolderReader(path).run();
  PageResults results{{{fs::path(path).filename().string(), study_json(path)}}, {}, {}};
  add_study_files(path, results);
  return results;
}

}  // namespace fakequant
