#include "rushes/server/sessions/served_models.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <set>

#include "rushes/base/count_of.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/server/http/wakeup.h"

namespace rushes::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostLoads = 16;  // that wait for each other

}  // namespace

struct ServedModels::Slot {
  ModelSource source;
  State state = State::unloaded;
  std::string description, failure;
  std::vector<std::string> assumptions;
  std::shared_ptr<const generation::Model> model;
  /// What is being loaded; all who wait for it have the same one.
  std::shared_ptr<std::shared_ptr<const generation::Model>> pending;
  Clock::time_point used = Clock::now();
};

ServedModels::ServedModels(std::vector<ModelSource> sources, Options options, WorkPool& work)
    : options_(std::move(options)),
      worker_(std::make_unique<generation::DeviceWorker>(
          generation::DeviceWorker::Options{.lanes = options_.lanes,
                                            .max_started = options_.max_started,
                                            .max_working_bytes = options_.max_working_bytes})),
      loading_(work, kMostLoads) {
  require(!sources.empty(), ErrorCode::invalid_argument, "the server needs at least one model");
  for (ModelSource& source : sources) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->source = std::move(source);
  }
  Slot& first = *slots_.front();
  place(first, first.source.load());
  first.source.name = first.model->card().name;
  for (std::size_t i = 1; i < slots_.size(); ++i)
    if (slots_[i]->source.at_start) place(*slots_[i], slots_[i]->source.load());
  std::set<std::string> names;
  for (const auto& slot : slots_)
    require(names.insert(slot->source.name).second, ErrorCode::invalid_argument,
            "two models are called '{}'; rename a directory", slot->source.name);
  for (const auto& [alias, model] : options_.aliases) {
    require(names.contains(model), ErrorCode::invalid_argument,
            "--alias {}={}: there is no model '{}'; this server has {}", alias, model, model, fmt::join(names, ", "));
    require(!names.contains(alias), ErrorCode::invalid_argument, "--alias {}={}: a model is called '{}'", alias, model,
            alias);
  }
}

ServedModels::~ServedModels() = default;

void ServedModels::place(Slot& slot, std::shared_ptr<const generation::Model> model) {
  slot.model = std::move(model);
  slot.description = slot.model->card().description;
  slot.assumptions = slot.model->card().assumptions;
  slot.source.family = slot.model->card().family;
  slot.source.capabilities = slot.model->capabilities();
  slot.source.options.assign(slot.model->options().begin(), slot.model->options().end());
  slot.source.trained_for = slot.model->card().trained_for;
  slot.source.words = slot.model->card().words;
  slot.state = State::loaded;
  slot.used = Clock::now();
  log::info("model {}: {}", slot.source.name.empty() ? slot.model->card().name : slot.source.name, slot.description);
}

ServedModels::Slot& ServedModels::find(std::string_view name) const {
  const auto alias = std::find_if(options_.aliases.begin(), options_.aliases.end(),
                                  [&](const auto& each) { return each.first == name; });
  for (const auto& slot : slots_)
    if (slot->source.name == (alias == options_.aliases.end() ? name : alias->second)) return *slot;
  std::vector<std::string> names;
  for (const auto& slot : slots_) names.push_back(slot->source.name);
  for (const auto& each : options_.aliases) names.push_back(each.first);
  fail(ErrorCode::not_found, "there is no model '{}'; this server has {}", name.substr(0, 64), fmt::join(names, ", "));
}

ServedModels::Status ServedModels::status(std::string_view name) const {
  const Slot& slot = find(name);
  std::vector<std::string> aliases;
  for (const auto& [alias, model] : options_.aliases)
    if (model == slot.source.name) aliases.push_back(alias);
  return {.name = slot.source.name,
          .family = slot.source.family,
          .description = slot.description,
          .assumptions = slot.assumptions,
          .aliases = std::move(aliases),
          .capabilities = slot.source.capabilities,
          .options = slot.source.options,
          .trained_for = slot.source.trained_for,
          .words = slot.source.words,
          .format = slot.source.format,
          .examples = slot.source.examples,
          .state = slot.state,
          .failure = slot.failure,
          .sessions = slot.model ? worker_->sessions_of(*slot.model) : 0,
          .is_default = &slot == slots_.front().get()};
}

std::vector<ServedModels::Status> ServedModels::all() const {
  std::vector<Status> all;
  for (const auto& slot : slots_) all.push_back(status(slot->source.name));
  return all;
}

const std::string& ServedModels::default_name() const noexcept { return slots_.front()->source.name; }
const generation::Model& ServedModels::default_model() const noexcept { return *slots_.front()->model; }

net::awaitable<void> ServedModels::load(std::string name) {
  Slot& slot = find(name);
  slot.used = Clock::now();
  if (slot.model) co_return;
  // By itself: who leaves does not take a model away from the others who wait for it.
  struct Loading {
    bool over = false;
    std::exception_ptr failure;
  };
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto wakeup = std::make_shared<Wakeup>(executor);
  const auto loading = std::make_shared<Loading>();
  net::co_spawn(executor, load_slot(slot), [loading, notify = wakeup->notifier()](std::exception_ptr failure) {
    *loading = {true, std::move(failure)};
    notify();
  });
  while (!loading->over) {
    auto waiting = wakeup->wait();
    co_await std::move(waiting);
  }
  if (loading->failure) std::rethrow_exception(loading->failure);
}

net::awaitable<void> ServedModels::load_slot(Slot& slot) {
  if (!slot.pending) slot.pending = std::make_shared<std::shared_ptr<const generation::Model>>();
  slot.state = State::loading;
  const auto pending = slot.pending;
  try {
    // One after the other: who comes second finds it loaded.
    auto loading = loading_.run([&] {
      if (!*pending) *pending = slot.source.load();
      return true;
    });
    co_await std::move(loading);
  } catch (...) {
    slot.state = State::failed;
    slot.failure = generation::current_failure().message;
    slot.pending.reset();
    throw;
  }
  slot.pending.reset();
  if (slot.model) co_return;
  slot.failure.clear();
  place(slot, *pending);
}

void ServedModels::unload(std::string_view name) {
  Slot& slot = find(name);
  require(&slot != slots_.front().get(), ErrorCode::conflict, "'{}' is the default model, which cannot be unloaded",
          name);
  require(slot.state != State::loading, ErrorCode::conflict, "'{}' is being loaded", name);
  if (!slot.model) return;
  const int64_t sessions = worker_->sessions_of(*slot.model);
  require(sessions == 0, ErrorCode::conflict, "{} '{}'; stop {} first", count_of(sessions, "session", "uses", "use"),
          name, sessions == 1 ? "it" : "them");
  slot.model.reset();
  slot.state = State::unloaded;
  log::info("model {}: unloaded", slot.source.name);
}

const std::shared_ptr<const generation::Model>& ServedModels::model(std::string_view name) {
  Slot& slot = find(name);
  require(slot.model != nullptr, ErrorCode::unavailable,
          "model '{}' is not loaded; load it with POST /v1/models/{}/load", name, name);
  slot.used = Clock::now();
  return slot.model;
}

void ServedModels::sweep() {
  if (options_.idle.count() == 0) return;
  const auto now = Clock::now();
  for (std::size_t i = 1; i < slots_.size(); ++i) {
    Slot& slot = *slots_[i];
    if (slot.model && worker_->sessions_of(*slot.model) > 0) slot.used = now;
    if (slot.model && now - slot.used >= options_.idle) unload(slot.source.name);
  }
}

std::string_view name(ServedModels::State state) {
  switch (state) {
    case ServedModels::State::unloaded: return "unloaded";
    case ServedModels::State::loading: return "loading";
    case ServedModels::State::loaded: return "loaded";
    case ServedModels::State::failed: return "failed";
  }
  return "?";
}

}  // namespace rushes::server
