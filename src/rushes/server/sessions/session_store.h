// The sessions that this server knows, each with its encoded stream; made, found and removed here, within limits. The
// catalogue remembers them: those of earlier processes are found here like those that have ended since.
// The server's thread only.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "rushes/base/memory_budget.h"
#include "rushes/delivery/catalogue.h"
#include "rushes/delivery/encoded_stream.h"
#include "rushes/delivery/sinks/sinks.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/session.h"
#include "rushes/ingest/speech_input.h"
#include "rushes/server/sessions/options.h"
#include "rushes/server/sessions/served_models.h"

namespace rushes::server {

/// What a session was made from.
struct Origin {
  enum class Kind { remix, fork } kind;
  generation::SessionId session;
};

constexpr std::string_view name(Origin::Kind kind) { return kind == Origin::Kind::fork ? "fork" : "remix"; }

/// When a session goes by itself, beyond what holds for all.
struct Retention {
  std::optional<std::chrono::milliseconds> idle = {};  // without being fed, watched or asked for
  bool removed = false;                                // it goes then with its recording; else it ends
};

/// What a request has in hand while it works with a session; the session may be deleted meanwhile.
struct Hosted {
  std::shared_ptr<generation::Session> session;
  std::shared_ptr<delivery::EncodedStream> video;
  std::shared_ptr<delivery::Sinks> sinks;
  std::optional<Origin> origin = {};
  mutable bool lost_image = false;  // began with a picture that is not remembered
  bool lost_options = false;        // had some set while it ran, which are not remembered
  bool forkable = false;            // its model is
  std::string model = {};
  std::string file_name = {};  // of its video, where an API gives paths; no file has it
  Retention retention = {};
  std::shared_ptr<ingest::SpeechInput> speech = {};
  std::shared_ptr<bool> ends_with_microphone = std::make_shared<bool>(false);
  std::shared_ptr<bool> downloaded_while_growing = std::make_shared<bool>(false);
  // The table's own:
  std::shared_ptr<base::MemoryBudget::Charge> inputs = {};  // the picture and video that it began with
  mutable std::chrono::steady_clock::time_point used = {};  // when it was last asked for or watched
};

/// How a session is made, beside its request.
struct NewSession {
  std::optional<Origin> origin = {};
  std::string_view model = {};  // must be loaded; empty: the default
  std::string file_name = {};   // Hosted::file_name; remembered beyond the end of the process
  Retention retention = {};
  std::function<void(const Hosted&)> before = {};  // called before anything is made: for who must miss nothing
  base::MemoryBudget::Charge inputs =
      {};  // of inputs(), for the request's picture and video; else they are charged now
};

/// How a fork goes on.
struct NewFork {
  std::optional<std::string> prompt = {};                   // nothing: under that which the origin had there
  std::optional<int64_t> blocks = {};                       // that it begins with; nothing: all
  std::optional<int64_t> segments = {}, video_frames = {};  // more than the origin was to have
};

enum class EndsWith { nothing, microphone };

class SessionStore {
 public:
  /// Creates the data directory, and takes over what an earlier process has left there, within the limits. Throws
  /// Error(unavailable) if another process has the directory. Models are loaded in `work`, which must outlive it.
  SessionStore(std::vector<ModelSource> models, SessionLimits limits, std::filesystem::path data_directory,
               WorkPool& work, ModelAliases aliases = {});
  ~SessionStore() { close(); }
  SessionStore(const SessionStore&) = delete;
  SessionStore& operator=(const SessionStore&) = delete;

  /// Starts a generation. Throws what the model has against the request, Error(exhausted) at the limit,
  /// Error(unavailable) while the server shuts down. `plan` is the model's for this request, if it has one already.
  Hosted create(generation::Request request, NewSession how = {}, std::unique_ptr<generation::Plan> plan = nullptr);
  /// A session that goes on from the next block border of another one, or from an earlier one: it begins with the
  /// video up to there, which is not encoded again. From borders that are kept nothing is made twice; for others, and
  /// when the other has ended or this one is to be longer, the blocks are made again. Throws Error(not_found),
  /// Error(conflict) where these could not be the same (forks_of()), and as set_prompt() and create().
  Hosted fork(const generation::SessionId& id, NewFork how);
  /// Throws Error(not_found).
  const Hosted& find(const generation::SessionId& id) const;
  bool has(const generation::SessionId& id) const;
  /// The session whose video is called so. Nothing: there is none.
  const Hosted* named(std::string_view file_name) const;
  /// create() would find a place, or throws since the server shuts down: nobody need wait for one.
  bool has_place() const { return draining_ || running() < limits_.max_running + limits_.max_queued; }
  /// Another prompt from the next block on; what of it has no effect. Throws Error(unsupported) if its model takes none
  /// while it runs, and as Session::set_prompt().
  std::vector<generation::Ignored> set_prompt(const Hosted& entry, std::string prompt) const;
  /// Changes options of its model from the next frame on. Throws as Model::live_options() and Session::set_options().
  void set_options(const Hosted& entry, const Options& given) const;
  /// From now on it says what `peer` says, `greeting`, at its speech_hz, first. Throws as SpeechInput::listen(), and
  /// Error(unsupported) if it takes no speech.
  const ingest::Microphone& listen(const Hosted& entry, std::shared_ptr<media::WebRtcPeer> peer,
                                   std::vector<float> greeting = {}, EndsWith ends = EndsWith::nothing);
  /// Viewers by WebRTC, and those who only speak.
  std::size_t peers() const;
  /// Stops the session, and removes it and its recording. Throws Error(not_found).
  void remove(const generation::SessionId& id);
  /// In the order of their creation.
  const std::vector<Hosted>& all() const noexcept { return entries_; }

  /// Ends what has run for too long, or for nobody; removes the oldest recordings beyond the limit; keeps the catalogue
  /// up to date. To be called now and then.
  void sweep();
  /// No new sessions; those that run end when their blocks in work are complete.
  void drain();
  /// Ends them at once.
  void stop_all();
  /// Stops what still runs, and waits until every recording is complete: no other thread has to do with it then. May be
  /// called twice.
  void close();
  bool draining() const noexcept { return draining_; }

  /// The one that is used where none is named.
  const generation::Model& model() const noexcept { return models_->default_model(); }
  ServedModels& models() const noexcept { return *models_; }
  const SessionLimits& limits() const noexcept { return limits_; }
  /// Queued ones included.
  int64_t running() const;
  int64_t created() const noexcept { return created_; }
  /// Those that made room for others.
  int64_t displaced() const noexcept { return displaced_; }
  /// Pictures and speech that sessions hold, or that are being decoded for them.
  const base::MemoryBudget& inputs() const noexcept { return inputs_; }
  /// Whoever can do without them gives up pictures or speech. Throws Error(exhausted): all that there are, are in use.
  void make_room_for_inputs();
  /// Of all sessions since the start, those that are gone included.
  struct Totals {
    int64_t encoded_bytes = 0, skipped_fragments = 0;
    std::chrono::microseconds encode_time{0};
    void add(const delivery::EncodedStream::Status& video);
  };
  Totals totals() const;
  /// Of all recordings that are listed.
  int64_t recorded_bytes() const;
  /// What other files may still take where the recordings are; 0: nobody knows.
  int64_t free_bytes() const;
  generation::WorkerStatus worker_status() const { return models_->worker().status(); }
  /// Sessions of earlier processes that are not listed, since their recordings cannot be used.
  int64_t unreadable() const noexcept { return unreadable_; }
  /// Sessions whose newest state the catalogue does not yet have.
  int64_t catalogue_waiting() const { return static_cast<int64_t>(catalogue_->waiting()); }

 private:
  std::vector<Hosted>::const_iterator position(const generation::SessionId& id) const;
  Hosted enter(generation::Request request, std::unique_ptr<generation::Plan> plan, NewSession how,
               std::shared_ptr<delivery::EncodedStream> origin_video, std::string model);
  void require_room();
  void require_takes_prompts(const Hosted& entry) const;
  bool make_room_for_speech();
  bool has_made_room_for_inputs();
  void displace(const Hosted& entry);
  Hosted begun(Hosted entry, const std::function<void(const Hosted&)>& begin);
  bool sweep_running(const Hosted& entry, std::chrono::steady_clock::time_point now);
  void require_size(const generation::Plan& plan) const;
  void require_length(const Hosted& origin, const generation::SessionStatus& made, int64_t blocks) const;
  void restore();
  void restore(const std::string& id, const delivery::CatalogueRow* row);
  void finish_recordings();
  void remember(const Hosted& entry);
  void forget_ended();
  static void forget_unused(const Hosted& entry, std::chrono::steady_clock::time_point now);
  /// Removes the oldest that has ended, one without a video first; false: there is none.
  bool remove_oldest();
  void make_room(int64_t for_new);

  const SessionLimits limits_;
  const std::filesystem::path data_directory_;
  std::unique_ptr<delivery::Catalogue> catalogue_;
  std::map<std::string, delivery::CatalogueRow> remembered_;  // of sessions whose end the catalogue does not yet have
  std::vector<Hosted> entries_;
  std::vector<Hosted> ending_;  // removed sessions: their threads are waited for
  base::MemoryBudget inputs_;
  int64_t created_ = 0, displaced_ = 0, unreadable_ = 0;
  std::vector<std::shared_ptr<delivery::EncodedStream>> unfinished_;  // recordings that consist of fragments
  Totals removed_;
  bool draining_ = false;
  std::unique_ptr<ServedModels> models_;
  std::jthread finishing_;  // recordings of earlier processes
};

}  // namespace rushes::server
