#include "rushes/server/model_shelf.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes::server {
namespace {

using Clock = std::chrono::steady_clock;
using WorkerStatus = generation::DeviceWorker::Status;

constexpr std::size_t kMostLoads = 16;  // that wait for each other

void add(WorkerStatus& sum, const WorkerStatus& one) {
  sum.sessions += one.sessions;
  sum.steps += one.steps;
  sum.blocks += one.blocks;
  sum.video_frames += one.video_frames;
  sum.generator_bytes += one.generator_bytes;
  sum.busy += one.busy;
  sum.stages.text += one.stages.text;
  sum.stages.denoise += one.stages.denoise;
  sum.stages.decode += one.stages.decode;
  sum.first_block.sum_seconds += one.first_block.sum_seconds;
  for (std::size_t i = 0; i < sum.first_block.counts.size(); ++i)
    sum.first_block.counts[i] += one.first_block.counts[i];
}

}  // namespace

struct ModelShelf::Slot {
  ModelSource source;
  State state = State::unloaded;
  std::string description, failure;
  std::shared_ptr<const generation::Model> model;
  std::unique_ptr<generation::DeviceWorker> worker;
  /// What is being loaded; all who wait for it have the same one.
  std::shared_ptr<std::shared_ptr<const generation::Model>> pending;
  Clock::time_point used = Clock::now();
};

ModelShelf::ModelShelf(std::vector<ModelSource> sources, Options options) : options_(options), loading_(kMostLoads) {
  require(!sources.empty(), ErrorCode::invalid_argument, "the server needs a model");
  for (ModelSource& source : sources) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->source = std::move(source);
  }
  Slot& first = *slots_.front();
  place(first, first.source.load());
  first.source.name = first.model->name();
  std::set<std::string> names;
  for (const auto& slot : slots_)
    require(names.insert(slot->source.name).second, ErrorCode::invalid_argument,
            "two models are called '{}'; rename a directory", slot->source.name);
}

ModelShelf::~ModelShelf() = default;

void ModelShelf::place(Slot& slot, std::shared_ptr<const generation::Model> model) {
  slot.model = std::move(model);
  slot.description = slot.model->description();
  slot.worker = std::make_unique<generation::DeviceWorker>(slot.model, options_.max_started);
  slot.state = State::loaded;
  slot.used = Clock::now();
  log::info("model {}: {}", slot.source.name.empty() ? slot.model->name() : slot.source.name, slot.description);
}

ModelShelf::Slot& ModelShelf::find(std::string_view name) const {
  for (const auto& slot : slots_)
    if (slot->source.name == name) return *slot;
  std::vector<std::string> names;
  for (const auto& slot : slots_) names.push_back(slot->source.name);
  fail(ErrorCode::not_found, "there is no model '{}'; this server has {}", name.substr(0, 64), fmt::join(names, ", "));
}

ModelShelf::Status ModelShelf::status(std::string_view name) const {
  const Slot& slot = find(name);
  return {.name = slot.source.name,
          .description = slot.description,
          .state = slot.state,
          .failure = slot.failure,
          .sessions = slot.worker ? slot.worker->status().sessions : 0,
          .is_default = &slot == slots_.front().get()};
}

std::vector<ModelShelf::Status> ModelShelf::all() const {
  std::vector<Status> all;
  for (const auto& slot : slots_) all.push_back(status(slot->source.name));
  return all;
}

const std::string& ModelShelf::default_name() const noexcept { return slots_.front()->source.name; }
const generation::Model& ModelShelf::default_model() const noexcept { return *slots_.front()->model; }

net::awaitable<void> ModelShelf::load(std::string name) {
  Slot& slot = find(name);
  slot.used = Clock::now();
  if (slot.worker) co_return;
  if (!slot.pending) slot.pending = std::make_shared<std::shared_ptr<const generation::Model>>();
  slot.state = State::loading;
  const auto pending = slot.pending;
  try {
    // One after the other on one thread: who comes second finds it loaded.
    auto loading = loading_.run([pending, load = slot.source.load] {
      if (!*pending) *pending = load();
      return Response{};
    });
    co_await std::move(loading);
  } catch (...) {
    slot.state = State::failed;
    slot.failure = generation::current_failure().message;
    slot.pending.reset();
    throw;
  }
  slot.pending.reset();
  if (slot.worker) co_return;
  slot.failure.clear();
  place(slot, *pending);
}

void ModelShelf::unload(std::string_view name) {
  Slot& slot = find(name);
  require(&slot != slots_.front().get(), ErrorCode::conflict,
          "'{}' is the model that is used when none is named; it stays", name);
  require(slot.state != State::loading, ErrorCode::conflict, "'{}' is being loaded", name);
  if (!slot.worker) return;
  const int64_t sessions = slot.worker->status().sessions;
  require(sessions == 0, ErrorCode::conflict, "{} sessions use '{}'; stop them first", sessions, name);
  WorkerStatus last = slot.worker->status();
  last.generator_bytes = 0;
  add(past_, last);
  slot.worker.reset();
  slot.model.reset();
  slot.state = State::unloaded;
  log::info("model {}: unloaded", slot.source.name);
}

generation::DeviceWorker& ModelShelf::worker(std::string_view name) {
  Slot& slot = find(name);
  require(slot.worker != nullptr, ErrorCode::unavailable, "model '{}' is not loaded: POST /v1/models/{}/load", name,
          name);
  slot.used = Clock::now();
  return *slot.worker;
}

void ModelShelf::sweep() {
  if (options_.idle.count() == 0) return;
  const auto now = Clock::now();
  for (std::size_t i = 1; i < slots_.size(); ++i) {
    Slot& slot = *slots_[i];
    if (slot.worker && slot.worker->status().sessions > 0) slot.used = now;
    if (slot.worker && now - slot.used >= options_.idle) unload(slot.source.name);
  }
}

WorkerStatus ModelShelf::totals() const {
  WorkerStatus sum = past_;
  for (const auto& slot : slots_)
    if (slot->worker) add(sum, slot->worker->status());
  return sum;
}

std::string_view name(ModelShelf::State state) {
  switch (state) {
    case ModelShelf::State::unloaded: return "unloaded";
    case ModelShelf::State::loading: return "loading";
    case ModelShelf::State::loaded: return "loaded";
    case ModelShelf::State::failed: return "failed";
  }
  return "?";
}

}  // namespace rushes::server
