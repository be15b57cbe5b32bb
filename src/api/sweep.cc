// Sweeps of the C++ interface, by the functions that `fakequant sweep` calls.
#include "sweep/sweep.h"

#include <fmt/format.h>

#include "api/boundary.h"
#include "api/settled_options.h"
#include "api/study_of.h"
#include "study/study_subject.h"

namespace fakequant::v0 {
namespace {

SweepQuestion question_of(const SweepOptions& options) {
  if (options.sites.empty()) throw usage_error("a sweep measures sites in formats: give a site");
  if (options.formats.empty()) throw usage_error("a sweep measures sites in formats: give a format");
  SweepQuestion question;
  for (const auto& site : options.sites) question.sites.push_back(parse_site_pattern(site));
  std::vector<SitePattern> exceptions;
  for (const auto& site : options.exceptions) exceptions.push_back(parse_site_pattern(site));
  add_exceptions(question.sites, exceptions);
  for (const auto& format : options.formats) question.formats.push_back(parse_rule_format(format));
  question.by_layer = options.by_layer;
  return question;
}

void check_sweep(const SweepOptions& options) {
  if (options.study.empty()) throw usage_error("the study has no name: name a file");
  check_number("tokens of context", options.ctx_size);
  check_number("tokens in a batch", options.batch_size);
  check_number("chunks", options.chunks);
  if (options.shard < 1 || options.shard > options.shards) {
    throw usage_error(fmt::format("share {} of {} is none: count from 1", options.shard, options.shards));
  }
  if (!(options.precision >= 0) || !(options.precision < 1)) {
    throw usage_error(
        fmt::format("a precision of {} is invalid: give a fraction of the mean, such as 0.05", options.precision));
  }
}

}  // namespace

Study sweep(const SweepOptions& options) {
  return at_boundary([&] {
    check_sweep(options);
    SweepRequest request;
    request.model = options.model;
    request.study = options.study;
    request.question = question_of(options);
    request.texts = settled_texts(options.texts);
    request.compute = settled_compute(options.compute, arithmetic_to_continue(options.study));
    request.compute.batch_size = options.batch_size;
    request.storage = settled_storage(options.storage, request.compute);
    request.ctx_size = options.ctx_size;
    request.chunks = options.chunks;
    request.shard = options.shard;
    request.shards = options.shards;
    request.precision = options.precision;
    request.progress = options.progress;
    request.is_stopped = [stop = options.stop] { return stop.stop_requested(); };
    return study_of(fakequant::sweep(request));
  });
}

}  // namespace fakequant::v0
