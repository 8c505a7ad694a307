#include "rushes/server/sessions/session_store.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/base/log_format.h"
#include "rushes/generation/working_memory.h"
#include "rushes/server/sessions/session_record.h"
#include "rushes/server/sessions/watched.h"

namespace rushes::server {

using generation::SessionId;
using generation::SessionState;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::minutes kKeptInMemory{1};
constexpr const char* kShuttingDown = "the server is shutting down";

/// Would go on, or rest, for ever.
bool has_no_end(const generation::Session& session) {
  return !session.format().video_frames || rests(session.status().state);
}

void tell_created(const Hosted& entry) {
  const std::string& id = entry.session->id().text();
  const generation::VideoFormat& format = entry.session->format();
  log::write(log::Level::info,
             fmt::format("session {}: created, model {}, {}x{} at {} fps", id, entry.model, format.width, format.height,
                         format.fps),
             {{"session", id},
              {"event", "created"},
              {"model", entry.model},
              {"width", format.width},
              {"height", format.height},
              {"fps", format.fps}});
}

void tell_ignored(const Hosted& entry, const std::vector<generation::Ignored>& ignored) {
  for (const generation::Ignored& each : ignored)
    log::warning("session {}: {} has no effect: {}", entry.session->id().text(), each.field, each.reason);
}

/// Those of its prompts, in the log and in the session.
void tell_unknown_words(const Hosted& entry, std::vector<std::string> words) {
  if (!words.empty()) log::warning("session {}: {}", entry.session->id().text(), unknown_words_sentence(words));
  entry.session->set_unknown_words(std::move(words));
}

}  // namespace

SessionStore::SessionStore(std::vector<ModelSource> models, SessionLimits limits, std::filesystem::path data_directory,
                           WorkPool& work, ModelAliases aliases)
    : limits_(limits), data_directory_(std::move(data_directory)), inputs_(limits.max_input_bytes) {
  delivery::prepare_directory(data_directory_);
  catalogue_ = std::make_unique<delivery::Catalogue>(data_directory_);
  restore();
  make_room(0);
  models_ = std::make_unique<ServedModels>(std::move(models),
                                           ServedModels::Options{.max_working_bytes = limits_.max_working_bytes,
                                                                 .max_started = limits_.max_running,
                                                                 .lanes = limits_.lanes,
                                                                 .idle = limits_.idle_model,
                                                                 .aliases = std::move(aliases)},
                                           work);
}

void SessionStore::close() {
  stop_all();
  for (const Hosted& entry : entries_) entry.sinks->stop();
  models_->close();  // ends the streams that the encoders read
  for (const Hosted& entry : entries_) {
    entry.video->join();
    remember(entry);
  }
  for (const Hosted& entry : ending_) entry.video->join();
  catalogue_->close();
}

void SessionStore::require_size(const generation::Plan& plan) const {
  const generation::VideoFormat format = plan.format();
  require(format.width * format.height <= limits_.max_pixels, ErrorCode::invalid_argument,
          "{}x{} is too large for this server: width times height can be at most {} (--max-pixels)", format.width,
          format.height, limits_.max_pixels);
  const double seconds = static_cast<double>(format.video_frames.value_or(0)) / format.fps;
  require(limits_.max_video_seconds <= 0 || seconds <= limits_.max_video_seconds, ErrorCode::invalid_argument,
          "{:.1f} s of video are more than the {:.1f} s that this server allows (--max-video-seconds); ask for fewer "
          "segments or frames",
          seconds, limits_.max_video_seconds);
  generation::require_memory(plan, limits_.max_working_bytes, "this server allows (--max-memory-mib)");
}

Hosted SessionStore::create(generation::Request request, NewSession how, std::unique_ptr<generation::Plan> plan) {
  require(!draining_, ErrorCode::unavailable, "the server is shutting down and accepts no new sessions");
  const std::string name(how.model.empty() ? models_->default_name() : how.model);
  const auto loaded = models_->model(name);
  if (!plan) plan = loaded->plan(request);
  require_size(*plan);
  require_room();
  const auto before = std::move(how.before);
  return begun(enter(std::move(request), std::move(plan), std::move(how), nullptr, name), [&](const Hosted& entry) {
    tell_unknown_words(entry, loaded->card().words.unknown_in(entry.session->request().prompts));
    if (before) before(entry);
    models_->worker().submit(entry.session, loaded);
  });
}

/// One that cannot begin does not stay, as it would never end.
Hosted SessionStore::begun(Hosted entry, const std::function<void(const Hosted&)>& begin) {
  try {
    begin(entry);
  } catch (...) {
    log::warning("session {}: could not begin: {}", entry.session->id().text(), generation::current_failure().message);
    remove(entry.session->id());
    throw;
  }
  return entry;
}

Hosted SessionStore::enter(generation::Request request, std::unique_ptr<generation::Plan> plan, NewSession how,
                           std::shared_ptr<delivery::EncodedStream> origin_video, std::string model) {
  make_room(1);
  Hosted entry;
  const bool is_charged = how.inputs.bytes() > 0;
  entry.inputs = std::make_shared<base::MemoryBudget::Charge>(is_charged ? std::move(how.inputs) : inputs_.charge());
  const int64_t input_bytes = origin_video ? 0 : generation::input_bytes(request);  // a fork shares its origin's
  while (!entry.inputs->resize(input_bytes)) make_room_for_inputs();
  entry.session = std::make_shared<generation::Session>(std::move(request), std::move(plan));
  delivery::EncodedStreamOptions options;
  options.recording = data_directory_ / (entry.session->id().text() + ".mp4");
  options.max_recording_bytes = limits_.max_recording_bytes;
  options.memory_bytes = 4 << 20;  // older fragments are read from the recording
  options.origin = std::move(origin_video);
  entry.video = std::make_shared<delivery::EncodedStream>(entry.session, options);
  entry.sinks = std::make_shared<delivery::Sinks>(entry.video);
  entry.origin = how.origin;
  entry.retention = how.retention;
  entry.file_name = std::move(how.file_name);
  entry.speech = std::make_shared<ingest::SpeechInput>(entry.session, limits_.max_waiting_speech, inputs_.charge());
  entry.forkable = models_->model(model)->capabilities().forks;
  entry.model = std::move(model);
  entry.used = Clock::now();
  remembered_[entry.session->id().text()] = {};
  remember(entry);
  entries_.push_back(entry);
  ++created_;
  tell_created(entry);
  tell_ignored(entry, entry.session->ignored());
  for (const std::string& warning : entry.session->warnings())
    log::warning("session {}: {}", entry.session->id().text(), warning);
  return entry;
}

void SessionStore::Totals::add(const delivery::EncodedStream::Status& video) {
  encoded_bytes += video.bytes;
  skipped_fragments += video.skipped;
  encode_time += video.encode_time;
}

SessionStore::Totals SessionStore::totals() const {
  Totals all = removed_;
  for (const Hosted& entry : entries_) all.add(entry.video->status());
  return all;
}

std::vector<Hosted>::const_iterator SessionStore::position(const SessionId& id) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Hosted& e) { return e.session->id() == id; });
  require(found != entries_.end(), ErrorCode::not_found, "there is no session {}; it may have been deleted", id.text());
  return found;
}

const Hosted& SessionStore::find(const SessionId& id) const {
  const Hosted& entry = *position(id);
  entry.used = Clock::now();
  return entry;
}

void SessionStore::remove(const SessionId& id) {
  const auto found = position(id);
  found->session->stop("deleted by request");
  removed_.add(found->video->status());
  found->video->remove_recording();
  catalogue_->remove(id.text());
  remembered_.erase(id.text());
  found->sinks->stop();
  found->speech->hang_up();
  found->inputs->resize(0);
  ending_.push_back(*found);
  entries_.erase(found);
  forget_ended();
}

/// What was removed goes when its threads have ended, so that nobody waits for them.
void SessionStore::forget_ended() {
  std::erase_if(ending_, [](const Hosted& entry) { return entry.video->status().ended && entry.sinks->idle(); });
}

bool SessionStore::has(const SessionId& id) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Hosted& entry) { return entry.session->id() == id; });
}

const Hosted* SessionStore::named(std::string_view file_name) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Hosted& entry) { return entry.file_name == file_name; });
  return found == entries_.end() || file_name.empty() ? nullptr : &*found;
}

void SessionStore::require_takes_prompts(const Hosted& entry) const {
  require(models_->model(entry.model)->capabilities().feeds.has(generation::Modality::text), ErrorCode::unsupported,
          "session {} does not accept prompts; its model takes none while it runs", entry.session->id().text());
}

std::vector<generation::Ignored> SessionStore::set_prompt(const Hosted& entry, std::string prompt) const {
  std::vector<generation::Ignored> ignored;
  std::vector<std::string> unknown;
  if (!entry.session->over()) {
    require_takes_prompts(entry);
    const auto& model = models_->model(entry.model);
    ignored = model->ignored_in(prompt, "prompt");
    unknown = model->card().words.unknown_in({&prompt, 1});
  }
  tell_ignored(entry, ignored);
  entry.session->set_prompt(std::move(prompt), ignored);
  tell_unknown_words(entry, std::move(unknown));
  return ignored;
}

void SessionStore::set_options(const Hosted& entry, const Options& given) const {
  if (entry.session->over()) return entry.session->set_options({});  // throws; its model may be unloaded
  entry.session->set_options(models_->model(entry.model)->live_options(given));
}

const ingest::Microphone& SessionStore::listen(const Hosted& entry, std::shared_ptr<media::WebRtcPeer> peer,
                                               std::vector<float> greeting, EndsWith ends) {
  require(entry.session->format().speech_hz > 0, ErrorCode::unsupported, "session {} does not accept speech",
          entry.session->id().text());
  require(!entry.session->over(), ErrorCode::conflict, "session {} has ended; it accepts no more speech",
          entry.session->id().text());
  entry.used = Clock::now();
  const ingest::Microphone& microphone = entry.speech->listen(std::move(peer), std::move(greeting));
  *entry.ends_with_microphone = ends == EndsWith::microphone;
  return microphone;
}

std::size_t SessionStore::peers() const {
  std::size_t count = 0;
  for (const Hosted& entry : entries_) {
    const std::size_t viewers = entry.sinks->peers();
    // A caller hears and is heard by one connection.
    count += viewers == 0 && entry.speech->listens() ? 1 : viewers;
  }
  return count;
}

int64_t SessionStore::running() const {
  return std::count_if(entries_.begin(), entries_.end(), [](const Hosted& e) {
    const SessionState state = e.session->status().state;
    return !generation::ended(state) && !rests(state);
  });
}

/// What is over and was neither watched nor asked for lately keeps its recording only.
void SessionStore::forget_unused(const Hosted& entry, std::chrono::steady_clock::time_point now) {
  if (is_watched(entry))
    entry.used = now;
  else
    entry.video->rest();
  const generation::SessionStatus status = entry.session->status();
  if (now - entry.used < kKeptInMemory || status.age - status.end.value_or(status.age) < kKeptInMemory) return;
  entry.session->stream().forget_pixels();
  entry.sinks->forget_caches();
}

void SessionStore::sweep() {
  const auto now = Clock::now();
  make_room(0);
  models_->sweep();
  std::vector<SessionId> gone;
  for (const Hosted& entry : entries_) {
    generation::Session& session = *entry.session;
    remember(entry);
    entry.speech->settle();
    if (session.over()) {
      forget_unused(entry, now);
      if (entry.retention.removed && entry.retention.idle && now - entry.used >= *entry.retention.idle)
        gone.push_back(session.id());
      continue;
    }
    if (sweep_running(entry, now)) {
      gone.push_back(session.id());
      continue;
    }
    const double seconds = static_cast<double>(session.status().video_frames) / session.format().fps;
    if (limits_.max_video_seconds > 0 && seconds >= limits_.max_video_seconds)
      session.stop_at_border("the video has reached the longest duration that this server allows (--max-video-seconds)",
                             generation::EndReason::limit);
    const auto idle = entry.retention.idle.value_or(limits_.idle);
    if (!entry.retention.idle && idle.count() > 0 && now - entry.used >= idle && has_no_end(session))
      session.stop_at_border("the session had no viewers for too long", generation::EndReason::unused);
  }
  for (const SessionId& id : gone) remove(id);
  forget_ended();
}

/// True: it goes.
bool SessionStore::sweep_running(const Hosted& entry, Clock::time_point now) {
  if (is_watched(entry) || entry.speech->listens()) entry.used = now;
  if (*entry.ends_with_microphone && !entry.speech->listens()) return true;
  if (limits_.silence.count() > 0 && now - entry.used >= limits_.silence) {
    const generation::SessionStatus status = entry.session->status();
    if (status.state == SessionState::waiting && status.speech_samples == 0) {
      entry.session->stop("nobody has spoken to the session for too long", generation::EndReason::unused);
      return entry.retention.removed;
    }
  }
  if (!entry.retention.idle || now - entry.used < *entry.retention.idle) return false;
  log::info("session {}: not used for {} s", entry.session->id().text(),
            std::chrono::duration_cast<std::chrono::seconds>(*entry.retention.idle).count());
  if (!entry.retention.removed)
    entry.session->stop_at_border("the session was not used for too long", generation::EndReason::unused);
  return entry.retention.removed;
}

void SessionStore::drain() {
  draining_ = true;
  for (const Hosted& entry : entries_) entry.session->stop_at_border(kShuttingDown, generation::EndReason::shutdown);
}

void SessionStore::stop_all() {
  draining_ = true;
  for (const Hosted& entry : entries_) entry.speech->hang_up();
  for (const Hosted& entry : entries_) entry.session->stop(kShuttingDown, generation::EndReason::shutdown);
}

bool SessionStore::remove_oldest() {
  const auto is_over = [](const Hosted& e) { return e.session->over(); };
  auto oldest = std::find_if(entries_.begin(), entries_.end(),
                             [&](const Hosted& e) { return is_over(e) && e.session->status().blocks == 0; });
  if (oldest == entries_.end()) oldest = std::find_if(entries_.begin(), entries_.end(), is_over);
  if (oldest == entries_.end()) return false;
  remove(oldest->session->id());
  return true;
}

void SessionStore::make_room(int64_t for_new) {
  while (static_cast<int64_t>(entries_.size()) + for_new > limits_.max_kept && remove_oldest()) {}
  while (recorded_bytes() > limits_.max_data_bytes && remove_oldest()) {}
}

}  // namespace rushes::server
