#include "rushes/server/talk_table.h"

#include <algorithm>
#include <utility>

#include "rushes/audio/resample.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes::server {
namespace {

using generation::SessionState;

// What the published server's segments are: 50 frames, counted from where its muxer begins.
constexpr media::Pts kSegment{2 * 90'000};
constexpr media::Pts kFirstPts{126'000};

media::Pts duration_of(const std::vector<TalkRun>& runs) {
  media::Pts total{0};
  for (const TalkRun& run : runs)
    for (const media::Pts duration : run.hls->durations()) total += duration;
  return total;
}

void require_speech(const TalkRun& run) {
  require(run.entry.session->format().speech_hz > 0, ErrorCode::conflict,
          "a video moves this portrait; it takes no speech");
}

/// What this process or one before it has made there: no other file is named so, and none is ours to remove.
void remove_recordings(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (std::filesystem::directory_iterator file(directory, error), end; !error && file != end; file.increment(error))
    if (delivery::recording_name(file->path())) found.push_back(file->path());
  for (const auto& path : found) std::filesystem::remove(path, error);
}

bool is_over(const TalkRun& run) { return run.entry.session->over() && run.entry.video->status().ended; }

}  // namespace

std::string_view name(TalkSession::Status status) {
  switch (status) {
    case TalkSession::Status::waiting_for_audio: return "waiting_for_audio";
    case TalkSession::Status::processing: return "processing";
    case TalkSession::Status::complete: return "complete";
    case TalkSession::Status::error: return "error";
  }
  return "?";
}

TalkSession::Status TalkSession::status() const {
  const generation::SessionStatus run = newest().entry.session->status();
  if (bad_piece_ || run.state == SessionState::failed) return Status::error;
  if (!pieces_.empty()) return Status::processing;
  if (generation::ended(run.state)) return newest().entry.video->status().ended ? Status::complete : Status::processing;
  if (run.state == SessionState::waiting || samples_ == 0) return Status::waiting_for_audio;
  return Status::processing;
}

const std::optional<std::string>& TalkSession::error() const {
  const generation::SessionStatus run = newest().entry.session->status();
  if (run.failure) error_ = run.failure->message;
  return error_;
}

int64_t TalkSession::video_frames() const {
  int64_t frames = 0;
  for (std::size_t i = first_run_; i < runs_.size(); ++i) frames += runs_[i].entry.session->status().video_frames;
  return frames;
}

std::vector<TalkSegment> TalkSession::segments() const {
  std::vector<TalkSegment> segments;
  for (const TalkRun& run : runs_) {
    const auto durations = run.hls->durations();
    for (std::size_t i = 0; i < durations.size(); ++i)
      segments.push_back({run.hls, static_cast<int64_t>(i), durations[i]});
  }
  return segments;
}

TalkTable::TalkTable(std::shared_ptr<const generation::Model> model, generation::DeviceWorker& worker,
                     TalkLimits limits, std::filesystem::path directory)
    : model_(std::move(model)), worker_(worker), limits_(limits), directory_(std::move(directory)) {
  remove_recordings(directory_);
  delivery::prepare_directory(directory_);
}

TalkTable::~TalkTable() {
  drain();
  for (const auto& [id, session] : sessions_)
    for (const TalkRun& run : session.runs_) run.entry.video->join();
  for (const Entry& entry : ending_) entry.video->join();
  remove_recordings(directory_);
  std::error_code not_empty;
  std::filesystem::remove(directory_, not_empty);
}

void TalkTable::begin_run(TalkSession& session, const Watch& watch) {
  TalkRun run;
  run.entry.session = std::make_shared<generation::Session>(session.request_, model_->plan(session.request_));
  session.request_.video.reset();  // moves one run; a video may be large
  delivery::EncodedStreamOptions options;
  options.recording = directory_ / (run.entry.session->id().text() + ".mp4");
  options.memory_bytes = 4 << 20;
  run.entry.video = std::make_shared<delivery::EncodedStream>(run.entry.session, options);
  run.entry.outlets = std::make_shared<delivery::Outlets>(run.entry.video);
  delivery::HlsOptions hls;
  hls.least_segment = kSegment;
  hls.mpeg_ts_shift = kFirstPts + duration_of(session.runs_);
  run.hls = std::make_shared<delivery::HlsStream>(run.entry.video, hls);
  session.runs_.push_back(run);
  session.ended_ = false;
  session.resampler_.reset();
  if (watch) watch(run.entry);
  worker_.submit(run.entry.session, model_);
}

TalkSession& TalkTable::create(std::string id, generation::Request request, const Watch& watch) {
  require(!draining_, ErrorCode::unavailable, "the server is shutting down and takes no new sessions");
  const auto before = sessions_.find(id);
  if (before == sessions_.end()) make_room();
  require(before != sessions_.end() || static_cast<int64_t>(sessions_.size()) < limits_.max_sessions,
          ErrorCode::exhausted, "there are {} sessions, which is the limit; delete one or try again later",
          sessions_.size());
  model_->plan(request);  // before the old one ends
  TalkSession session;
  session.id_ = id;
  session.request_ = std::move(request);
  if (before != sessions_.end()) {
    end(before->second, "replaced by another one of its name");
    session.runs_ = std::move(before->second.runs_);
    session.first_run_ = session.runs_.size();
    // The video goes on behind what there is, whose length is known when its last frame is encoded.
    for (const TalkRun& run : session.runs_) run.entry.video->join();
    sessions_.erase(before);
  }
  begin_run(session, watch);
  log::info("talking head '{}': session {}", id.substr(0, 64), session.newest().entry.session->id().text());
  return sessions_.emplace(std::move(id), std::move(session)).first->second;
}

/// At the limit the session goes that is complete and was not used for the longest time.
void TalkTable::make_room() {
  if (static_cast<int64_t>(sessions_.size()) < limits_.max_sessions) return;
  const TalkSession* oldest = nullptr;
  for (const auto& [id, session] : sessions_)
    if (is_over(session.newest()) && session.pieces_.empty() && (!oldest || session.used_ < oldest->used_))
      oldest = &session;
  if (oldest) remove(std::string(oldest->id()));
}

TalkSession* TalkTable::find(std::string_view id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return nullptr;
  found->second.used_ = std::chrono::steady_clock::now();
  pump(found->second);
  return &found->second;
}

void TalkTable::feed(TalkSession& session, std::vector<float> samples, int64_t hz, bool is_final) {
  pump(session);
  require_speech(session.newest());
  const int64_t to_hz = session.newest().entry.session->format().speech_hz;
  const int64_t more = (static_cast<int64_t>(samples.size()) * to_hz + hz - 1) / hz;
  const double waiting = static_cast<double>(session.samples_ + more) / static_cast<double>(to_hz) -
                         static_cast<double>(session.video_frames()) / session.newest().entry.session->format().fps;
  require(waiting <= limits_.max_waiting_seconds, ErrorCode::exhausted,
          "{:.0f} s of speech would wait to be spoken, {:.0f} are allowed; send this piece again a little later",
          waiting, limits_.max_waiting_seconds);
  session.samples_ += more;
  session.bad_piece_ = false;
  session.pieces_.push_back({std::move(samples), hz, is_final});
  pump(session);
}

void TalkTable::go_on(TalkSession& session, generation::Request request) {
  model_->plan(request);
  pump(session);
  session.request_ = std::move(request);
  if (session.ended_ || session.newest().entry.session->over()) return;  // the next piece begins anew
  session.newest().entry.session->end_speech();
  session.ended_ = true;
}

/// Hands over the pieces that wait, as far as possible: what follows an end waits until all before it is spoken.
void TalkTable::pump(TalkSession& session) {
  while (!session.pieces_.empty()) {
    if (session.ended_ || session.newest().entry.session->over()) {
      if (!is_over(session.newest())) return;
      session.error();  // remembers why the run before failed
      begin_run(session);
    }
    const TalkSession::Piece piece = std::move(session.pieces_.front());
    session.pieces_.erase(session.pieces_.begin());
    try {
      speak(session, piece);
    } catch (const Error& error) {
      // It failed or was stopped just now.
      session.error_ = error.what();
      return;
    }
  }
}

void TalkTable::speak(TalkSession& session, const TalkSession::Piece& piece) {
  generation::Session& run = *session.newest().entry.session;
  const int64_t to_hz = run.format().speech_hz;
  const bool aligned = session.request_.options.get<std::string>("mode") != "reference";
  if (!aligned) {
    run.feed_speech(audio::resample(piece.samples, piece.hz, to_hz));
  } else {
    if (session.resampler_ && session.resampler_->from_hz() != piece.hz) {
      run.feed_speech(session.resampler_->flush());
      session.resampler_.reset();
    }
    if (!session.resampler_) session.resampler_.emplace(piece.hz, to_hz);
    run.feed_speech(session.resampler_->feed(piece.samples));
  }
  if (!piece.is_final) return;
  if (session.resampler_) run.feed_speech(session.resampler_->flush());
  run.end_speech();
  session.ended_ = true;
}

const delivery::Microphone& TalkTable::listen(TalkSession& session, std::shared_ptr<media::WebRtcPeer> peer,
                                              std::vector<float> greeting) {
  require(!session.microphone_ || session.microphone_->ended(), ErrorCode::conflict,
          "somebody speaks to this talking head already");
  pump(session);
  require_speech(session.newest());
  if (session.ended_ || session.newest().entry.session->over()) {
    require(is_over(session.newest()) && session.pieces_.empty(), ErrorCode::conflict,
            "what was said before its end is still being spoken; try again when it is complete");
    begin_run(session);
  }
  session.microphone_ =
      std::make_unique<delivery::Microphone>(std::move(peer), session.newest().entry.session, std::move(greeting));
  return *session.microphone_;
}

void TalkTable::call(TalkSession& session, std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting) {
  listen(session, std::move(peer), std::move(greeting));
  session.is_call_ = true;
}

void TalkTable::fail_piece(TalkSession& session, std::string message) {
  session.error_ = std::move(message);
  session.bad_piece_ = true;
}

void TalkTable::end(TalkSession& session, const char* reason) {
  session.pieces_.clear();
  session.microphone_.reset();
  for (const TalkRun& run : session.runs_) {
    run.entry.session->stop(reason);
    run.entry.outlets->stop();
  }
}

bool TalkTable::remove(std::string_view id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return false;
  end(found->second, "deleted by request");
  std::erase_if(ending_, [](const Entry& entry) { return entry.video->status().ended && entry.outlets->idle(); });
  for (const TalkRun& run : found->second.runs_) {
    std::error_code ignored;
    std::filesystem::remove(run.entry.video->recording_path(), ignored);
    ending_.push_back(run.entry);
  }
  sessions_.erase(found);
  return true;
}

void TalkTable::sweep() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<std::string> unused, hung_up;
  for (auto& [id, session] : sessions_) {
    pump(session);
    const bool listens = session.microphone_ && !session.microphone_->ended();
    if (listens || session.newest().entry.outlets->peers() > 0) session.used_ = now;
    if (session.is_call_ && !listens) hung_up.push_back(id);
    if (now - session.used_ >= limits_.idle) unused.push_back(id);
  }
  for (const std::string& id : hung_up) remove(id);
  for (const std::string& id : unused) {
    log::info("talking head '{}': nobody has used it for {} s", id.substr(0, 64), limits_.idle.count());
    remove(id);
  }
}

std::size_t TalkTable::peers() const {
  std::size_t count = 0;
  for (const auto& [id, session] : sessions_)
    for (const TalkRun& run : session.runs_) count += run.entry.outlets->peers();
  for (const auto& [id, session] : sessions_)
    if (session.microphone_ && !session.is_call_ && !session.microphone_->ended()) ++count;
  return count;
}

void TalkTable::drain() {
  draining_ = true;
  for (auto& [id, session] : sessions_) end(session, "the server is shutting down");
}

}  // namespace rushes::server
