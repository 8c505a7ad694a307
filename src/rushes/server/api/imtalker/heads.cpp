#include "rushes/server/api/imtalker/heads.h"

#include <algorithm>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/failure.h"

namespace rushes::server::imtalker {
namespace {

using generation::Modality;
using generation::SessionState;
using ingest::SpeechInput;

// What the published server's segments are: 50 frames, counted from where its muxer begins.
constexpr media::Pts kSegment{2 * 90'000};
constexpr media::Pts kFirstPts{126'000};

/// `before`: the duration of all that the playlist has had before.
std::shared_ptr<delivery::HlsStream> hls_of(const Hosted& entry, media::Pts before) {
  return entry.sinks->hls({.least_segment = kSegment, .mpeg_ts_shift = kFirstPts + before});
}

SpeechInput::Utterance utterance_of(bool is_final) {
  return is_final ? SpeechInput::Utterance::ends : SpeechInput::Utterance::goes_on;
}

/// The published server's windows know nothing of each other, nor do their resamplings.
SpeechInput::Resampling resampling_of(const Hosted& listening) {
  const bool as_published = listening.session->request().options.get<std::string>("mode") == "reference";
  return as_published ? SpeechInput::Resampling::each_piece : SpeechInput::Resampling::stream;
}

/// It is fed speech and has the options that clients of these routes always send, as far as its options are known.
bool is_talker(const ServedModels::Status& model) {
  return model.capabilities.feeds.has(Modality::audio) &&
         (model.options.empty() || find_field(model.options, "cfg_scale"));
}

}  // namespace

std::string_view name(Head::Status status) {
  switch (status) {
    case Head::Status::waiting_for_audio: return "waiting_for_audio";
    case Head::Status::processing: return "processing";
    case Head::Status::complete: return "complete";
    case Head::Status::error: return "error";
  }
  return "?";
}

Head::Status Head::status() const {
  const delivery::EncodedStream& video = *newest().video;
  const generation::SessionStatus session = newest().session->status();
  if (!following_.empty() && !bad_piece_) return Status::processing;
  if (bad_piece_ || session.state == SessionState::failed) return Status::error;
  if (generation::ended(session.state)) return video.status().ended ? Status::complete : Status::processing;
  if (session.at_rest) return video.utterances() >= session.utterances ? Status::complete : Status::processing;
  if (session.state == SessionState::waiting || session.speech_samples == 0) return Status::waiting_for_audio;
  return Status::processing;
}

const std::optional<std::string>& Head::error() const {
  const generation::SessionStatus session = newest().session->status();
  if (session.failure) error_ = session.failure->message;
  return error_;
}

void Head::pass_oldest() {
  const Hosted& oldest = sessions_.front();
  const auto durations = hls_of(oldest, passed_time_)->durations();
  for (const media::Pts duration : durations) passed_time_ += duration;
  passed_segments_ += static_cast<int64_t>(durations.size());
  if (!durations.empty()) {
    const auto& init = oldest.video->init_segment();
    if (passed_init_ && *passed_init_ != *init) ++passed_joints_;
    passed_init_ = init;
  }
  sessions_.erase(sessions_.begin());
}

std::vector<HeadSegment> Head::segments() const {
  std::vector<HeadSegment> segments;
  media::Pts before = passed_time_;
  std::shared_ptr<const media::Bytes> last = passed_init_;
  for (const Hosted& entry : sessions_) {
    const auto hls = hls_of(entry, before);
    const auto durations = hls->durations();
    const auto& init = entry.video->init_segment();
    const bool other_format = last && *last != *init;
    for (std::size_t i = 0; i < durations.size(); ++i) {
      segments.push_back({.hls = hls,
                          .number = static_cast<int64_t>(i),
                          .duration = durations[i],
                          .gone = entry.video->recording_removed(),
                          .other_format = i == 0 && other_format});
      before += durations[i];
    }
    if (!durations.empty()) last = init;
  }
  return segments;
}

std::optional<ServedModels::Status> Heads::talker() const {
  for (ServedModels::Status& model : sessions_.models().all())
    if (is_talker(model)) return std::move(model);
  return std::nullopt;
}

bool Heads::has_model() const { return talker().has_value(); }

std::filesystem::path Heads::examples() const {
  const auto model = talker();
  return model ? model->examples : std::filesystem::path();
}

std::string Heads::model_name() const {
  auto model = talker();
  require(model.has_value(), ErrorCode::unavailable,
          "this server has no talking head of the family imtalker; give one with --talk-model");
  return std::move(model->name);
}

const std::shared_ptr<const generation::Model>& Heads::shared_model() const {
  return sessions_.models().model(model_name());
}

net::awaitable<std::shared_ptr<const generation::Model>> Heads::loaded_model() const {
  auto loading = sessions_.models().load(model_name());
  co_await std::move(loading);
  co_return shared_model();
}

Head& Heads::create(std::string id, HeldRequest request, const Watch& watch) {
  sweep();
  const auto before = heads_.find(id);
  Head head;
  head.id_ = id;
  if (before != heads_.end()) {
    // The video goes on behind what there is, whose length is known when its last frame is encoded.
    for (const Hosted& entry : end(id, *request)) entry.video->join();
    head.sessions_ = std::move(before->second.sessions_);
    head.passed_segments_ = before->second.passed_segments_;
    head.passed_time_ = before->second.passed_time_;
    head.passed_joints_ = before->second.passed_joints_;
    head.passed_init_ = before->second.passed_init_;
    heads_.erase(before);
  }
  begin(head, std::move(request), watch);
  return heads_.insert_or_assign(std::move(id), std::move(head)).first->second;
}

std::vector<Hosted> Heads::end(std::string_view id, const generation::Request& request) {
  const auto found = heads_.find(id);
  if (found == heads_.end()) return {};
  sessions_.models().model(model_name())->plan(request);  // before the old one ends
  std::vector<Hosted> ending;
  for (const Hosted& entry : found->second.sessions_) {
    entry.session->stop("replaced by another session with the same name", generation::EndReason::displaced);
    entry.sinks->stop();
    if (!entry.video->status().ended) ending.push_back(entry);
  }
  return ending;
}

void Heads::begin(Head& head, HeldRequest request, const Watch& watch) {
  const std::string model = model_name();
  NewSession how;
  how.model = model;
  how.retention = {.idle = limits_.idle, .removed = true};
  how.before = watch;
  how.inputs = std::move(request.memory);
  head.sessions_.push_back(sessions_.create(std::move(*request), std::move(how)));
  log::info("talking head '{}': session {}", head.id_.substr(0, 64), head.newest().session->id().text());
}

Head* Heads::find(std::string_view id) {
  sweep();
  const auto found = heads_.find(id);
  if (found == heads_.end()) return nullptr;
  sessions_.find(found->second.newest().session->id());  // counts as use
  return &found->second;
}

const Hosted& Heads::listening(Head& head) {
  if (head.newest().session->format().speech_hz > 0 && head.newest().session->over() &&
      head.newest().video->status().ended) {
    head.error();  // remembers why the session before failed
    begin(head, {head.newest().session->copy_of_request()}, {});
  }
  return head.newest();
}

void Heads::feed_piece(const Hosted& listening, std::span<const uint8_t> piece, const SpeechInput::Encoding& encoding,
                       bool is_final) {
  require(!piece.empty() || is_final, ErrorCode::corrupt_data,
          "the audio is empty (0 bytes); only the final piece may be");
  listening.speech->feed_piece(piece, encoding, utterance_of(is_final), resampling_of(listening));
}

void Heads::feed(Head& head, HeldAudio audio) {
  const Hosted& speaker = listening(head);
  for (const std::string& warning : audio->warnings) speaker.session->warn(warning);
  audio.memory.resize(0);  // the session's speech is charged for the same
  speaker.speech->feed(audio->samples, audio->hz, SpeechInput::Utterance::ends, resampling_of(speaker));
  take_piece(head);
}

void Heads::say(Head& head, HeldAudio audio) {
  feed(head, std::move(audio));
  head.newest().session->end_speech();
}

void Heads::follow(Head& head, HeldRequest request, HeldAudio audio) {
  require(head.following_.size() < limits_.runs, ErrorCode::exhausted,
          "{} pieces of speech wait for those before them, which is the limit; send this one again later",
          head.following_.size());
  shared_model()->plan(*request);
  head.following_.push_back({std::move(request), std::move(audio)});
  if (!head.newest().session->over()) head.newest().session->end_speech();
  begin_following(head);
}

void Heads::begin_following(Head& head) {
  while (!head.following_.empty() && head.newest().video->status().ended) {
    Head::Following following = std::move(head.following_.front());
    head.following_.pop_front();
    head.error();  // remembers why the session before failed
    try {
      begin(head, std::move(following.request), {});
      feed(head, std::move(following.audio));
      if (!head.following_.empty()) head.newest().session->end_speech();
    } catch (...) {
      const std::string message = generation::current_failure().message;
      log::warning("session {}: the next piece of talking head '{}' cannot begin: {}",
                   head.newest().session->id().text(), head.id_.substr(0, 64), message);
      fail_piece(head, message);
    }
  }
}

void Heads::call(Head& head, std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting) {
  sessions_.listen(head.newest(), std::move(peer), std::move(greeting), EndsWith::microphone);
  head.is_call_ = true;
}

void Heads::fail_piece(Head& head, std::string message) {
  head.error_ = std::move(message);
  head.bad_piece_ = true;
}

bool Heads::remove(std::string_view id) {
  const auto found = heads_.find(id);
  if (found == heads_.end()) return false;
  const Head head = std::move(found->second);
  heads_.erase(found);
  remove_sessions(head);
  return true;
}

void Heads::remove_sessions(const Head& head) {
  for (const Hosted& entry : head.sessions_)
    if (sessions_.has(entry.session->id())) sessions_.remove(entry.session->id());
}

const std::map<std::string, Head, std::less<>>& Heads::all() {
  sweep();
  return heads_;
}

void Heads::sweep() {
  std::erase_if(heads_, [&](const auto& each) {
    const Head& head = each.second;
    if (sessions_.has(head.newest().session->id())) return false;
    remove_sessions(head);
    return true;
  });
  for (auto& [id, head] : heads_) {
    begin_following(head);
    forget_old_runs(head);
  }
}

/// A name that is begun again and again keeps the newest, as far as the store has them.
void Heads::forget_old_runs(Head& head) {
  while (head.sessions_.size() > 1 && head.sessions_.front().video->status().ended) {
    const generation::SessionId oldest = head.sessions_.front().session->id();
    const bool is_kept = sessions_.has(oldest);
    if (is_kept && head.sessions_.size() <= limits_.runs) return;
    head.pass_oldest();
    if (is_kept) sessions_.remove(oldest);
  }
}

}  // namespace rushes::server::imtalker
