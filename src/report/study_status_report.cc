#include "report/study_status_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/numbers.h"
#include "report/printable_text.h"
#include "report/table.h"

namespace fakequant {
namespace {

// "3 complete, 1 running"
std::string states_text(const StudyStatus& status) {
  std::map<ShareState, int> counts;
  for (const auto& share : status.shares) ++counts[share.state];
  std::string text;
  for (const auto& [word, state] : kShareStateWords) {
    if (counts.contains(state)) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts[state], word);
  }
  if (!status.without_study.empty()) {
    text += fmt::format("{}{} not begun", text.empty() ? "" : ", ", status.without_study.size());
  }
  return text;
}

}  // namespace

std::string to_text(const StudyStatus& status) {
  Table table({"study<", "share", "state<", "done", "variants", "chunks", "last written<", "left", "on<"});
  for (const auto& share : status.shares) {
    table.add_row({printable(share.study), fmt::format("{}/{}", share.run.shard, share.run.shards),
                   std::string(word_of_value(kShareStateWords, share.state)),
                   fmt::format("{:.0f} %", std::floor(share.progress * 100)), count_text(share.variants),
                   count_text(share.measured), duration_text(share.silence) + " ago",
                   share.seconds_left ? duration_text(*share.seconds_left) : "-", printable(share.run.host)});
  }
  auto text = table.empty() ? std::string() : table.to_text() + "\n";
  for (const auto& study : status.left_out) {
    text += fmt::format("{} is left out: it records no run of a sweep, or one of another number of shares.\n",
                        printable(study));
  }
  if (status.shares.empty()) return text;
  text += fmt::format("{:.0f} % done. {}: {}", std::floor(status.progress * 100),
                      status.shards > 1 ? "Shares" : "Studies", states_text(status));
  if (status.seconds_left && status.progress < 1) {
    text += fmt::format("; what runs needs {} more", duration_text(*status.seconds_left));
  }
  return text + ".\n";
}

Json to_json(const StudyStatus& status, const Provenance& provenance) {
  auto json = json_file("study_status", "", provenance);
  json["progress"] = status.progress;
  json["seconds_left"] = status.seconds_left ? Json(*status.seconds_left) : Json(nullptr);
  json["shards"] = status.shards;
  json["shares"] = Json::array();
  for (const auto& share : status.shares) {
    json["shares"].push_back({{"study", share.study},
                              {"shard", share.run.shard},
                              {"shards", share.run.shards},
                              {"state", word_of_value(kShareStateWords, share.state)},
                              {"progress", share.progress},
                              {"passes", share.run.passes},
                              {"done", share.run.done},
                              {"variants", share.variants},
                              {"measured", share.measured},
                              {"seconds_since_written", share.silence},
                              {"seconds_left", share.seconds_left ? Json(*share.seconds_left) : Json(nullptr)},
                              {"host", text_or_null(share.run.host)}});
  }
  json["not_begun"] = status.without_study;
  json["left_out"] = status.left_out;
  return json;
}

}  // namespace fakequant
