#include "rushes/delivery/sinks/whep.h"

#include <algorithm>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/media/audio_encoder.h"

namespace rushes::delivery {
namespace {

using namespace std::chrono_literals;
using Time = media::WebRtcPeer::Time;

// What is handed to the peers lies at most so far ahead: enough to be on time, little to throw away.
constexpr Time kAhead = 500ms;
constexpr auto kReapEvery = 1s;
constexpr int kIdleRounds = 5;
constexpr Time kWaited = 2ms;  // for a GOP: nothing was ready, we are at the live end
constexpr Time kTimeToConnect = 10s;
constexpr Time kLinger = 2s;  // after the last picture, before the connections are closed

Time nanoseconds(media::Pts time) { return std::chrono::duration_cast<Time>(time); }

}  // namespace

WhepBroadcast::WhepBroadcast(std::function<std::unique_ptr<UnitSource>()> open) : open_(std::move(open)) {
  thread_ = std::jthread([this, stop = stop_.get_token()] {
    try {
      run(stop);
    } catch (...) {
      log::warning("WebRTC: {}", generation::current_failure().message);
    }
    std::map<std::string, std::shared_ptr<media::WebRtcPeer>>
        closing;  // outside of the lock: each takes some milliseconds
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    closing.swap(peers_);
  });
  reaper_ = std::jthread([this, stop = stop_.get_token()] {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, stop, kReapEvery, [&] { return stop.stop_requested(); })) {
      lock.unlock();
      generation::attempt("WebRTC viewers that have left", [this] { reap(); });
      lock.lock();
    }
  });
}

void WhepBroadcast::run(const std::stop_token& stop) {
  wait_for_viewer(stop);
  const auto source = open_();
  while (!stop.stop_requested()) {
    const Time asked = media::WebRtcPeer::now();
    const Gop gop = source->next(stop, hearing());
    if (gop.empty()) break;
    send(gop, media::WebRtcPeer::now() - asked > kWaited, stop);
  }
  std::unique_lock lock(mutex_);
  if (!shown_until_) return;
  changed_.wait_for(lock, stop, *shown_until_ + kLinger - media::WebRtcPeer::now(), [] { return false; });
}

void WhepBroadcast::wait_for_viewer(const std::stop_token& stop) {
  const auto connected = [this] {
    return std::any_of(peers_.begin(), peers_.end(), [](const auto& entry) { return entry.second->connected(); });
  };
  const Time begin = media::WebRtcPeer::now();
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested() && !connected() && media::WebRtcPeer::now() - begin < kTimeToConnect)
    changed_.wait_for(lock, stop, 20ms, [] { return false; });
}

Hearing WhepBroadcast::hearing() const {
  const std::scoped_lock lock(mutex_);
  const bool any =
      std::any_of(peers_.begin(), peers_.end(), [](const auto& entry) { return entry.second->takes_audio(); });
  return any ? Hearing::somebody : Hearing::nobody;
}

Time WhepBroadcast::due(const media::AccessUnit& unit) const {
  return playout_.start().value() + nanoseconds(unit.pts);
}

void WhepBroadcast::schedule(const Gop& gop, bool at_live_end) {
  const auto& units = gop.pictures.empty() ? gop.audio : gop.pictures;
  playout_.come({.begin = nanoseconds(units.front().pts),
                 .end = nanoseconds(units.back().pts + units.back().duration),
                 .at_live_end = at_live_end,
                 .heard = !gop.audio.empty()},
                media::WebRtcPeer::now());
}

void WhepBroadcast::send(const Gop& gop, bool at_live_end, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  schedule(gop, at_live_end);
  const auto& first = gop.pictures.empty() ? gop.audio.front() : gop.pictures.front();
  changed_.wait_for(lock, stop, due(first) - kAhead - media::WebRtcPeer::now(), [] { return false; });
  if (stop.stop_requested()) return;
  shown_ = {.pictures = gop.pictures};
  for (const media::AccessUnit& unit : gop.audio) {
    // Where a delay was caught up, audio is left out: a decoder has no use for two units of the same time.
    if (heard_until_ && due(unit) + Playout::kAudioUnit / 4 < *heard_until_) continue;
    heard_until_ = due(unit) + nanoseconds(unit.duration);
    shown_.audio.push_back(unit);
  }
  if (!gop.pictures.empty()) shown_until_ = due(gop.pictures.back()) + nanoseconds(gop.pictures.back().duration);
  for (const auto& [id, peer] : peers_) {
    for (const media::AccessUnit& unit : shown_.pictures) peer->push(unit, due(unit));
    for (const media::AccessUnit& unit : shown_.audio) peer->push_audio(unit, due(unit));
  }
}

void WhepBroadcast::add(std::string id, std::shared_ptr<media::WebRtcPeer> peer) {
  const std::scoped_lock lock(mutex_);
  require(!ended_, ErrorCode::conflict, "the video has just ended; connect again to watch it from its start");
  // In one burst what the others have seen of this GOP; a decoder catches up within a few pictures. Its audio is left
  // out: nobody is connected yet.
  for (const media::AccessUnit& unit : shown_.pictures) peer->push(unit, due(unit));
  peers_.emplace(std::move(id), std::move(peer));
}

bool WhepBroadcast::remove(const std::string& id) {
  std::shared_ptr<media::WebRtcPeer> closing;
  const std::scoped_lock lock(mutex_);
  const auto found = peers_.find(id);
  if (found == peers_.end()) return false;
  closing = std::move(found->second);
  peers_.erase(found);
  return true;
}

std::size_t WhepBroadcast::peers() const {
  const std::scoped_lock lock(mutex_);
  return peers_.size();
}

bool WhepBroadcast::ended() const {
  const std::scoped_lock lock(mutex_);
  return ended_;
}

void WhepBroadcast::reap() {
  std::vector<std::shared_ptr<media::WebRtcPeer>> closing;
  const std::scoped_lock lock(mutex_);
  idle_ = peers_.empty() ? idle_ + 1 : 0;
  if (idle_ >= kIdleRounds) stop_.request_stop();
  for (auto it = peers_.begin(); it != peers_.end();) {
    if (it->second->gone()) {
      closing.push_back(std::move(it->second));
      it = peers_.erase(it);
    } else {
      ++it;
    }
  }
}

std::shared_ptr<WhepBroadcast> Whep::broadcast(media::Codec codec) {
  std::shared_ptr<WhepBroadcast> ended;
  const std::scoped_lock lock(mutex_);
  auto& current = codec == media::Codec::h264 ? h264_ : vp8_;
  // Without viewers there is nothing to be late for: the next one begins at the newest block again.
  if (current && (current->ended() || current->peers() == 0)) ended = std::move(current);
  if (!current)
    current = std::make_shared<WhepBroadcast>([codec, video = video_] {
      return codec == media::Codec::h264 ? h264_source(video) : vp8_source(video->session());
    });
  return current;
}

Whep::Answer Whep::connect(std::string_view text, media::WebRtcPeer::Options options) {
  const auto offer = media::WebRtcOffer::parse(text);
  require(!offer.formats.empty(), ErrorCode::invalid_argument,
          "the SDP offer does not ask to receive video (a=recvonly)");
  const auto wanted = std::find_if(offer.formats.begin(), offer.formats.end(), [&](const auto& format) {
    return format.codec == media::Codec::vp8 || video_->track().codec == media::Codec::h264;
  });
  require(wanted != offer.formats.end(), ErrorCode::unsupported,
          "the viewer accepts only H.264, and no H.264 encoder is installed");
  if (video_->audio_track() && media::AudioEncoder::knows(media::AudioCodec::opus))
    options.audio = media::WebRtcPeer::Options::Audio::if_offered;
  auto peer = std::make_shared<media::WebRtcPeer>(offer, *wanted, options);
  Answer answer{.id = generation::SessionId::random().text(), .sdp = peer->answer(), .peer = peer};
  broadcast(wanted->codec)->add(answer.id, std::move(peer));
  return answer;
}

void Whep::disconnect(const std::string& id) {
  std::shared_ptr<WhepBroadcast> all[2];
  {
    const std::scoped_lock lock(mutex_);
    all[0] = h264_;
    all[1] = vp8_;
  }
  for (const auto& broadcast : all)
    if (broadcast && broadcast->remove(id)) return;
  fail(ErrorCode::not_found, "there is no such viewer; it may have been closed");
}

std::size_t Whep::peers() const {
  const std::scoped_lock lock(mutex_);
  return (h264_ ? h264_->peers() : 0) + (vp8_ ? vp8_->peers() : 0);
}

void Whep::stop() {
  const std::scoped_lock lock(mutex_);
  if (h264_) h264_->stop();
  if (vp8_) vp8_->stop();
}

bool Whep::idle() const {
  const std::scoped_lock lock(mutex_);
  return (!h264_ || h264_->ended()) && (!vp8_ || vp8_->ended());
}

}  // namespace rushes::delivery
