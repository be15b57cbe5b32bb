#include "report/plan_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "report/numbers.h"
#include "report/printable_text.h"

namespace fakequant {
namespace {

const char* word_of(SiteKind kind) { return kind == SiteKind::weight ? "weights" : "activations"; }

const char* word_of(PlanKind kind) {
  switch (kind) {
    case PlanKind::weights:
      return "weights";
    case PlanKind::activations:
      return "activations";
    case PlanKind::cache:
      return "cache";
  }
  return "";
}

std::string plan_bits_text(double bits) { return fmt::format("{:.3f}", bits); }

const char* title_of(PlanKind kind) {
  switch (kind) {
    case PlanKind::weights:
      return "Weights";
    case PlanKind::activations:
      return "Activations";
    case PlanKind::cache:
      return "Attention's cache";
  }
  return "";
}

Json layer_json(const std::optional<int>& layer) { return layer ? Json(*layer) : Json(nullptr); }

Json bytes_json(const std::optional<std::uint64_t>& bytes) { return bytes ? Json(*bytes) : Json(nullptr); }

void add_measured(Json& json, const std::optional<Estimate>& measured) {
  json["measured_kld"] = measured ? Json(measured->value) : Json(nullptr);
  json["measured_kld_error"] = measured ? Json(measured->error) : Json(nullptr);
}

Json point_json(const PlanPoint& point, const KindPlan& kind) {
  Json json;
  json["kind"] = word_of(kind.kind);
  json["bits"] = point.bits;
  json["kld"] = point.kld;
  add_measured(json, point.measured);
  json["cache_bytes"] = bytes_json(point.cache_bytes);
  json["recipe"] = to_string(point.recipe);
  return json;
}

Json assignment_json(const PlanAssignment& assignment) {
  Json json;
  json["kind"] = word_of(assignment.kind);
  json["site"] = assignment.site;
  json["layer"] = layer_json(assignment.layer);
  json["format"] = assignment.format.empty() ? Json(nullptr) : Json(assignment.format);
  json["kept"] = assignment.is_kept;
  json["values"] = assignment.values;
  json["bits"] = assignment.bits;
  json["kld"] = assignment.kld;
  json["predicted"] = assignment.is_predicted;
  return json;
}

Json suggestion_json(const PlanSuggestion& suggestion) {
  Json json;
  json["what"] = suggestion.kind == PlanSuggestion::no_loss ? "no_loss" : "costs_most";
  json["kind"] = word_of(suggestion.site_kind);
  json["format"] = suggestion.format;
  json["places"] = Json::array();
  for (const auto& place : suggestion.places) {
    json["places"].push_back({{"site", place.site}, {"layers", place.layers}});
  }
  json["parts"] = suggestion.parts;
  json["of_parts"] = suggestion.of_parts;
  json["bits"] = suggestion.bits;
  json["untouched_bits"] = suggestion.untouched_bits;
  json["kld"] = suggestion.kld;
  json["largest_kld"] = suggestion.largest_kld;
  json["total_kld"] = suggestion.kind == PlanSuggestion::costs_most ? Json(suggestion.total_kld) : Json(nullptr);
  json["text"] = to_text(suggestion);
  return json;
}

Json refinement_json(const std::optional<PlanRefinement>& refinement) {
  if (!refinement) return nullptr;
  return {{"tried", refinement->tried},
          {"accepted", refinement->accepted},
          {"exhausted", refinement->is_exhausted},
          {"by_kernels", refinement->by_kernels},
          {"first_kld", refinement->first.value},
          {"first_kld_error", refinement->first.error},
          {"kld", refinement->last.value},
          {"kld_error", refinement->last.error},
          {"difference", refinement->difference.value},
          {"difference_error", refinement->difference.error}};
}

Json memory_json(const std::optional<PlanMemory>& memory) {
  if (!memory) return nullptr;
  return {{"weights", memory->weights}, {"cache", memory->cache}, {"compute", memory->compute}};
}

Json chosen_json(const PlanResult& result) {
  if (!result.is_chosen) return nullptr;
  Json json;
  json["kld"] = result.kld;
  json["bits"] = result.kinds.size() == 1 ? Json(*result.kinds.front().chosen_bits) : Json(nullptr);
  for (const auto& [field, kind] :
       {std::pair("weight_bits", PlanKind::weights), std::pair("activation_bits", PlanKind::activations),
        std::pair("cache_bits", PlanKind::cache)}) {
    const auto own = std::find_if(result.kinds.begin(), result.kinds.end(),
                                  [kind = kind](const KindPlan& plan) { return plan.kind == kind; });
    json[field] = own == result.kinds.end() ? Json(nullptr) : Json(*own->chosen_bits);
  }
  const auto with_cache = std::find_if(result.kinds.begin(), result.kinds.end(),
                                       [](const KindPlan& plan) { return plan.chosen_cache_bytes.has_value(); });
  json["cache_bytes"] = with_cache == result.kinds.end() ? Json(nullptr) : Json(*with_cache->chosen_cache_bytes);
  json["file_size"] = bytes_json(result.file_size);
  json["bits_per_weight"] = result.bits_per_weight ? Json(*result.bits_per_weight) : Json(nullptr);
  json["bytes_per_token"] = bytes_json(result.bytes_per_token);
  json["active_bits_per_weight"] = result.active_bits_per_weight ? Json(*result.active_bits_per_weight) : Json(nullptr);
  json["memory"] = memory_json(result.memory);
  json["recipe"] = to_string(result.recipe);
  json["rules"] = Json::array();
  for (const auto& rule : result.recipe) json["rules"].push_back(to_string(rule));
  json["assignments"] = Json::array();
  for (const auto& assignment : result.assignments) json["assignments"].push_back(assignment_json(assignment));
  return json;
}

Json verification_json(const PlanResult& result) {
  if (!result.verification) return nullptr;
  const auto& verification = *result.verification;
  Json json;
  json["model"] = verification.model;
  json["texts"] = verification.texts;
  json["chunks"] = verification.chunks;
  json["predicted_kld"] = result.is_chosen ? Json(result.kld) : Json(nullptr);
  add_measured(json, verification.kld);
  return json;
}

std::string layers_text(const std::vector<int>& layers) {
  if (layers.empty()) return "all";
  return layer_ranges(layers);
}

std::string place_text(const PlanSuggestion::Place& place) {
  auto site = printable(place.site);
  if (place.layers.empty()) return site;
  return fmt::format("{} in {} {}", site, place.layers.size() == 1 ? "layer" : "layers", layer_ranges(place.layers));
}

std::string places_text(const std::vector<PlanSuggestion::Place>& places) {
  std::vector<std::string> parts;
  for (const auto& place : places) parts.push_back(place_text(place));
  if (parts.size() == 1) return parts.front();
  const auto last = parts.back();
  parts.pop_back();
  return fmt::format("{} and {}", fmt::join(parts, ", "), last);
}

// The assignments of a site that share a format.
struct AssignmentGroup {
  PlanAssignment first;
  std::vector<int> layers;
  double bits = 0;  // sum over the values
  double values = 0;
  double kld = 0;
};

std::vector<AssignmentGroup> groups_of(const std::vector<PlanAssignment>& assignments) {
  std::vector<AssignmentGroup> groups;
  for (const auto& assignment : assignments) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const AssignmentGroup& other) {
      return other.first.site == assignment.site && other.first.format == assignment.format &&
             other.first.is_kept == assignment.is_kept;
    });
    if (group == groups.end()) group = groups.insert(group, {assignment, {}});
    if (assignment.layer) group->layers.push_back(*assignment.layer);
    group->values += static_cast<double>(assignment.values);
    group->bits += assignment.bits * static_cast<double>(assignment.values);
    group->kld += assignment.kld;
  }
  return groups;
}

std::string head(const PlanResult& result) {
  std::vector<std::string> texts;
  for (const auto& text : result.texts) texts.push_back(printable(text));
  std::string text = fmt::format("{}, {} on {}: {}\n", printable(result.study), printable(result.model),
                                 fmt::join(texts, ", "), plural(result.chunks, "chunk"));
  for (const auto& note : result.notes) text += printable(note) + "\n";
  return text;
}

Table plain_mix_table(const PlanResult& result) {
  Table table({"mix<", "bytes", "bits per weight", "KL divergence predicted"});
  for (const auto& mix : result.plain_mixes) {
    table.add_row({mix.name, count_text(static_cast<std::int64_t>(mix.file_size)),
                   fmt::format("{:.3f}", mix.bits_per_weight), mix.kld ? value_text(*mix.kld) : ""});
  }
  return table;
}

std::string chosen_text(const PlanResult& result) {
  std::vector<std::string> bits;
  for (const auto& kind : result.kinds) {
    bits.push_back(fmt::format("{} in {} bits", word_of(kind.kind), plan_bits_text(*kind.chosen_bits)));
  }
  std::string text =
      fmt::format("\nThe plan: {}; KL divergence {} nats predicted", fmt::join(bits, ", "), value_text(result.kld));
  if (result.verification && result.verification->kld) {
    const auto& measured = *result.verification->kld;
    text += fmt::format(", {} measured", estimate_text(measured));
    if (measured.value > 0) text += fmt::format("; predicted / measured {:.2f}", result.kld / measured.value);
  }
  for (const auto& kind : result.kinds) {
    if (!kind.chosen_cache_bytes) continue;
    text += fmt::format("\nThe cache of {}: {}, where it takes {} as it is", plural(result.ctx_size, "token"),
                        bytes_text(*kind.chosen_cache_bytes), bytes_text(*kind.untouched_cache_bytes));
  }
  if (result.file_size) {
    text += fmt::format("\nThe file of quantize: {} bytes ({}), {:.4f} bits per weight",
                        count_text(static_cast<std::int64_t>(*result.file_size)), bytes_text(*result.file_size),
                        *result.bits_per_weight);
  }
  if (result.active_bits_per_weight) {
    text += fmt::format("\nA token reads weights of {:.4f} bits", *result.active_bits_per_weight);
  }
  if (const auto& memory = result.memory) {
    text += fmt::format("\nMemory in llama.cpp for {}: {}, of weights {}, of the cache {}, to compute with {}",
                        plural(result.ctx_size, "token"), bytes_text(memory->weights + memory->cache + memory->compute),
                        bytes_text(memory->weights), bytes_text(memory->cache), bytes_text(memory->compute));
  }
  if (result.bytes_per_token) {
    text += fmt::format("\nA token reads {} bytes ({}) after {}",
                        count_text(static_cast<std::int64_t>(*result.bytes_per_token)),
                        bytes_text(*result.bytes_per_token), plural(result.ctx_size, "token"));
  }
  if (const auto& refined = result.refinement) {
    text +=
        fmt::format("\nRefined{}: {} measured, {} accepted; KL divergence {} nats, {} before, a difference of {}",
                    refined->by_kernels ? " by the types' kernels" : "",
                    refined->tried == 1 ? "1 mix" : fmt::format("{} mixes", refined->tried), refined->accepted,
                    estimate_text(refined->last), estimate_text(refined->first), estimate_text(refined->difference));
  }
  text += "\n\n" + assignment_table(result).to_text();
  if (!result.plain_mixes.empty()) {
    text += "\nllama-quantize's mixes, as files:\n\n" + plain_mix_table(result).to_text();
  }
  if (result.uniform_pair) {
    const auto& pair = *result.uniform_pair;
    text += fmt::format("\nThe best one format for each in no more bits: {}, {} nats predicted{}\n", pair.format,
                        value_text(pair.kld),
                        pair.measured ? fmt::format(", {} measured", estimate_text(*pair.measured)) : "");
  }
  return text;
}

}  // namespace

Json to_json(const PlanResult& result, const Provenance& provenance) {
  auto json = json_file("plan", result.model, provenance);
  json["study"] = result.study;
  json["texts"] = result.texts;
  json["chunks"] = result.chunks;
  json["layers"] = result.layers;
  json["ctx_size"] = result.ctx_size;
  json["kinds"] = Json::array();
  json["pareto"] = Json::array();
  json["uniform"] = Json::array();
  for (const auto& kind : result.kinds) {
    json["kinds"].push_back({{"kind", word_of(kind.kind)},
                             {"parts", kind.parts},
                             {"values", kind.values},
                             {"untouched_bits", kind.untouched_bits},
                             {"untouched_cache_bytes", bytes_json(kind.untouched_cache_bytes)},
                             {"pareto_whole", kind.is_front_whole}});
    for (const auto& point : kind.front) {
      auto entry = point_json(point, kind);
      entry["chosen"] = point.is_chosen;
      json["pareto"].push_back(std::move(entry));
    }
    for (const auto& point : kind.uniform) {
      auto entry = point_json(point, kind);
      entry["format"] = point.format;
      json["uniform"].push_back(std::move(entry));
    }
  }
  json["chosen"] = chosen_json(result);
  json["uniform_pair"] = nullptr;
  if (const auto& pair = result.uniform_pair) {
    json["uniform_pair"] = {{"format", pair->format}, {"kld", pair->kld}};
    add_measured(json["uniform_pair"], pair->measured);
  }
  json["plain_mixes"] = Json::array();
  for (const auto& mix : result.plain_mixes) {
    json["plain_mixes"].push_back({{"name", mix.name},
                                   {"file_size", mix.file_size},
                                   {"bits_per_weight", mix.bits_per_weight},
                                   {"bits", mix.bits ? Json(*mix.bits) : Json(nullptr)},
                                   {"kld", mix.kld ? Json(*mix.kld) : Json(nullptr)}});
  }
  json["refine"] = refinement_json(result.refinement);
  json["verify"] = verification_json(result);
  json["negligible_kld"] = result.negligible_kld;
  json["suggestions"] = Json::array();
  for (const auto& suggestion : result.suggestions) json["suggestions"].push_back(suggestion_json(suggestion));
  json["notes"] = result.notes;
  return json;
}

Table front_table(const KindPlan& plan) {
  std::vector<std::pair<const PlanPoint*, std::string>> rows;
  bool has_measured = false;
  for (const auto* points : {&plan.front, &plan.uniform}) {
    for (const auto& point : *points) {
      if (!point.is_shown) continue;
      rows.emplace_back(&point, points == &plan.uniform ? "all in " + point.format
                                : point.is_chosen       ? "mixed <- the plan"
                                                        : "mixed");
      has_measured = has_measured || point.measured;
    }
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first->bits < b.first->bits; });
  std::vector<std::string> headers = {"bits"};
  if (plan.untouched_cache_bytes) headers.emplace_back("cache");
  headers.emplace_back("KL divergence predicted");
  if (has_measured) headers.emplace_back("measured");
  headers.emplace_back("formats<");
  Table table(headers);
  for (const auto& [point, formats] : rows) {
    std::vector<std::string> cells = {plan_bits_text(point->bits)};
    if (plan.untouched_cache_bytes) cells.push_back(bytes_text(*point->cache_bytes));
    cells.push_back(value_text(point->kld));
    if (has_measured) cells.push_back(point->measured ? estimate_text(*point->measured) : "");
    cells.push_back(formats);
    table.add_row(std::move(cells));
  }
  return table;
}

Table assignment_table(const PlanResult& result) {
  Table table({"site<", "layers<", "format<", "bits", "KL divergence by itself"});
  for (const auto& group : groups_of(result.assignments)) {
    const auto format = group.first.format.empty() ? "as it is" : group.first.format;
    table.add_row({printable(group.first.site), layers_text(group.layers),
                   format + (group.first.is_kept ? " (kept)" : ""),
                   plan_bits_text(group.values > 0 ? group.bits / group.values : 0), value_text(group.kld)});
  }
  return table;
}

std::string to_text(const PlanSuggestion& suggestion) {
  const auto places = places_text(suggestion.places);
  const bool is_one = suggestion.parts == 1;
  if (suggestion.kind == PlanSuggestion::no_loss) {
    return fmt::format("{} can go from {:.4g} to {:.4g} bits in {} at a loss that counts as none: {}{} nats.", places,
                       suggestion.untouched_bits, suggestion.bits, suggestion.format,
                       is_one ? "" : fmt::format("{} together, each at most ", value_text(suggestion.kld)),
                       value_text(suggestion.largest_kld));
  }
  return fmt::format(
      "{} must not go to {} ({:.4g} bits): {} of {} {} {:.0f} % of what {} costs in all of them ({} of "
      "{} nats).",
      places, suggestion.format, suggestion.bits, suggestion.parts, suggestion.of_parts, is_one ? "makes" : "make",
      100 * suggestion.kld / suggestion.total_kld, suggestion.format, value_text(suggestion.kld),
      value_text(suggestion.total_kld));
}

std::string to_text(const PlanResult& result, const std::string& recipe_file) {
  auto text = head(result);
  for (const auto& kind : result.kinds) {
    text += fmt::format("\n{} of {}, {}, {} bits as they are{}{}:\n\n{}", title_of(kind.kind),
                        plural(kind.parts, kind.kind == PlanKind::weights ? "part" : "place"),
                        plural(kind.values, "value") + (kind.kind == PlanKind::weights ? "" : " for each token"),
                        plan_bits_text(kind.untouched_bits),
                        kind.untouched_cache_bytes
                            ? fmt::format("; a cache of {}, {} as it is", plural(result.ctx_size, "token"),
                                          bytes_text(*kind.untouched_cache_bytes))
                            : "",
                        kind.is_front_whole ? "" : fmt::format("; {} of the best mixes", kind.front.size()),
                        front_table(kind).to_text());
  }
  if (result.is_chosen) text += chosen_text(result);
  if (!result.suggestions.empty()) text += "\n";
  for (const auto& suggestion : result.suggestions) text += to_text(suggestion) + "\n";
  if (!recipe_file.empty()) text += fmt::format("\nThe plan's recipe: {}\n", recipe_file);
  return text;
}

}  // namespace fakequant
