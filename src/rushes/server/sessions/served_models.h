// The models that a server may use: the first is there from start to end, the others are loaded when somebody asks for
// them and unloaded when told, or when nobody has used them for a while. The server's thread only.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/generation/device_worker.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/sessions/options.h"

namespace rushes::server {

class ServedModels {
 public:
  enum class State { unloaded, loading, loaded, failed };

  struct Options {
    int64_t max_working_bytes = generation::DeviceWorker::kAnyNumber;
    int64_t max_started = generation::DeviceWorker::kAnyNumber;  // sessions that have begun and not ended
    int64_t lanes = 1;                                           // of the device, for small models
    std::chrono::milliseconds idle{0};                           // without sessions, then unloaded; 0: never
    ModelAliases aliases = {};
  };
  /// The others are loaded in `work`, which must outlive it. Loads the first one, and throws what that throws;
  /// Error(invalid_argument) if two have the same name, or an alias has the name of a model or names none.
  ServedModels(std::vector<ModelSource> sources, Options options, WorkPool& work);
  ~ServedModels();
  ServedModels(const ServedModels&) = delete;
  ServedModels& operator=(const ServedModels&) = delete;

  struct Status {
    std::string name, family, description;  // the latter once it was loaded
    std::vector<std::string> assumptions;   // likewise: what its files do not tell
    std::vector<std::string> aliases;
    generation::Capabilities capabilities;
    std::vector<OptionField> options;  // of the loaded model; else of its family, as far as that is known
    TrainedFor trained_for;            // of the loaded model; else as its manifest says it
    KnownWords words;                  // likewise
    std::function<generation::VideoFormat(const generation::Request&)>
        format;  // as the manifest tells it; may be empty
    std::filesystem::path examples;
    State state = State::unloaded;
    std::string failure;  // with `failed`
    int64_t sessions = 0;
    bool is_default = false;
  };
  std::vector<Status> all() const;
  /// By name or alias. Throws Error(not_found) naming those that exist; so do all that follow.
  Status status(std::string_view name) const;
  const std::string& default_name() const noexcept;
  const generation::Model& default_model() const noexcept;

  /// Returns when it is loaded, at once if it was. Several may wait for the same. Throws what loading throws. Who is
  /// cancelled leaves at once; loading goes on.
  net::awaitable<void> load(std::string name);
  /// Throws Error(conflict) if sessions use it, or for the default.
  void unload(std::string_view name);
  /// Throws Error(unavailable) if it is not loaded.
  const std::shared_ptr<const generation::Model>& model(std::string_view name);
  /// What steps the sessions of all models; not after close().
  generation::DeviceWorker& worker() noexcept { return *worker_; }
  /// Ends all steps and sessions. May be called twice.
  void close() { worker_.reset(); }
  /// Unloads what nobody uses. To be called now and then.
  void sweep();

 private:
  struct Slot;
  Slot& find(std::string_view name) const;
  void place(Slot& slot, std::shared_ptr<const generation::Model> model);
  net::awaitable<void> load_slot(Slot& slot);

  const Options options_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unique_ptr<generation::DeviceWorker> worker_;
  WorkPool::Lane loading_;
};

/// The enumerator's own spelling.
std::string_view name(ServedModels::State state);

}  // namespace rushes::server
