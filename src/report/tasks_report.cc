#include "report/tasks_report.h"

#include <fmt/format.h>

#include "report/numbers.h"
#include "report/table.h"

namespace fakequant {
namespace {

void add_fraction(Json& json, const std::string& name, const ChoiceFraction& fraction) {
  json[name] = fraction.value;
  json[name + "_low"] = fraction.low;
  json[name + "_high"] = fraction.high;
}

double part_of(int count, const ChoiceResult& result) {
  return static_cast<double>(count) / static_cast<double>(result.tasks.size());
}

Json answers_json(const ChoiceModel& model) {
  auto answers = Json::array();
  for (const auto& answer : model.answers) {
    answers.push_back({{"choice", answer.choice ? Json(*answer.choice) : Json(nullptr)},
                       {"right", answer.is_right},
                       {"scores", answer.scores}});
  }
  return answers;
}

// Flat: conditions name these fields.
Json variant_json(const ChoiceModel& variant, const ChoiceResult& result) {
  Json json;
  json["name"] = variant.name;
  json["recipe"] = variant.recipe;
  json["bits_per_weight"] = variant.bits_per_weight;
  json["right"] = variant.right;
  json["overflows"] = variant.overflows;
  add_fraction(json, "accuracy", variant.accuracy);
  json["flips"] = part_of(variant.changes.flipped, result);
  json["flipped"] = variant.changes.flipped;
  json["to_right"] = variant.changes.to_right;
  json["to_wrong"] = variant.changes.to_wrong;
  add_fraction(json, "difference", variant.changes.difference);
  json["p_value"] = variant.changes.p_value;
  json["answers"] = answers_json(variant);
  return json;
}

std::string points(double fraction) { return fmt::format("{:.2f}", 100 * fraction); }

std::string interval_text(const ChoiceFraction& fraction) {
  return fmt::format("{} to {}", points(fraction.low), points(fraction.high));
}

}  // namespace

Json to_json(const ChoiceResult& result, const Provenance& provenance) {
  auto json = json_file("tasks", result.model, provenance);
  json["kind"] = to_string(result.kind);
  json["file"] = result.file;
  json["threads"] = result.threads;
  json["ctx_size"] = result.ctx_size;
  json["chance"] = result.chance;
  json["tasks"] = Json::array();
  for (const auto& task : result.tasks) {
    Json entry;
    entry["item"] = task.item;
    entry["right"] = Json::array();
    for (std::size_t i = 0; i < task.is_right.size(); ++i) {
      if (task.is_right[i]) entry["right"].push_back(i);
    }
    json["tasks"].push_back(std::move(entry));
  }
  Json baseline;
  baseline["right"] = result.baseline.right;
  add_fraction(baseline, "accuracy", result.baseline.accuracy);
  baseline["answers"] = answers_json(result.baseline);
  json["baseline"] = std::move(baseline);
  json["variants"] = Json::array();
  for (const auto& variant : result.variants) json["variants"].push_back(variant_json(variant, result));
  return json;
}

std::string to_text(const ChoiceResult& result) {
  Table table({"<", "accuracy %", "95 %", "flips %", "wrong to right", "right to wrong", "difference", "95 %", "p"});
  table.add_row({"baseline", points(result.baseline.accuracy.value), interval_text(result.baseline.accuracy), "", "",
                 "", "", "", ""});
  for (const auto& variant : result.variants) {
    const auto& changes = variant.changes;
    table.add_row({variant.name, points(variant.accuracy.value), interval_text(variant.accuracy),
                   points(part_of(changes.flipped, result)), fmt::format("{}", changes.to_right),
                   fmt::format("{}", changes.to_wrong), points(changes.difference.value),
                   interval_text(changes.difference), fmt::format("{:.3g}", changes.p_value)});
  }
  auto text = table.to_text();
  text += fmt::format("\n{} of {}; answers by chance: {} %; {} arithmetic.\n",
                      plural(static_cast<std::int64_t>(result.tasks.size()), "task"), result.file,
                      points(result.chance), to_string(result.arithmetic));
  for (const auto& variant : result.variants) {
    if (variant.overflows == 0) continue;
    text += fmt::format("{}: {} without an answer, which count as wrong: a logit is NaN or infinite.\n", variant.name,
                        plural(variant.overflows, "task"));
  }
  if (!result.variants.empty()) {
    text +=
        "Flips are tasks with another answer than the baseline's. p: how likely so unequal changes are by chance.\n";
  }
  return text;
}

}  // namespace fakequant
