#include "rushes/delivery/whep.h"

#include <algorithm>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/media/fragment_reader.h"
#include "rushes/media/video_encoder.h"

namespace rushes::delivery {
namespace {

using namespace std::chrono_literals;
using Time = media::WebRtcPeer::Time;

// What is handed to the peers lies at most so far ahead: enough to be on time, little to throw away.
constexpr Time kAhead = 500ms;
constexpr auto kReapEvery = 1s;
constexpr int kIdleRounds = 5;
constexpr Time kWaited = 2ms;  // for a block: nothing was ready, we are at the live end
constexpr Time kCatchUpWindow = 2s, kReserve = 5ms;
constexpr Time kTimeToConnect = 10s;
constexpr Time kLinger = 2s;  // after the last picture, before the connections are closed

class FragmentSource final : public UnitSource {
 public:
  explicit FragmentSource(std::shared_ptr<EncodedStream> video) : video_(std::move(video)) {
    // The encoder may still be behind a generation that has ended.
    const auto from = video_->session()->over() ? EncodedStream::From::start : EncodedStream::From::newest;
    viewer_ = video_->watch(from);
    viewer_->poll();  // the initialisation segment has no place here
  }

  UnitBlock next(const std::stop_token& stop) override {
    const auto fragment = viewer_->next(stop);
    return fragment ? media::read_fragments(video_->track(), *video_->init_segment(), *fragment->bytes) : UnitBlock{};
  }

 private:
  const std::shared_ptr<EncodedStream> video_;
  std::unique_ptr<Viewer> viewer_;
};

class Vp8Source final : public UnitSource {
 public:
  explicit Vp8Source(const std::shared_ptr<generation::Session>& session)
      : encoder_({.width = session->format().width,
                  .height = session->format().height,
                  .fps = session->format().fps,
                  .encoder = "libvpx"}),
        frames_(session->stream().subscribe(generation::Stream::Role::viewer, generation::Stream::From::newest_block)) {
  }

  UnitBlock next(const std::stop_token& stop) override {
    while (const generation::EventPtr event = frames_->next(stop)) {
      const auto* block = std::get_if<generation::FrameBlock>(&event->what);
      if (!block || !block->rgb) continue;
      UnitBlock units;
      for (int64_t t = 0; t < block->video_frames && !stop.stop_requested(); ++t)
        for (auto& unit : encoder_.encode(block->frame(t), media::frame_time(block->first_video_frame + t, block->fps),
                                          t == 0 ? media::Key::forced : media::Key::automatic))
          units.push_back(std::move(unit));
      if (!units.empty()) return units;
    }
    return {};
  }

 private:
  media::VideoEncoder encoder_;
  const std::unique_ptr<generation::Subscription> frames_;
};

}  // namespace

std::unique_ptr<UnitSource> h264_source(std::shared_ptr<EncodedStream> video) {
  return std::make_unique<FragmentSource>(std::move(video));
}
std::unique_ptr<UnitSource> vp8_source(const std::shared_ptr<generation::Session>& session) {
  return std::make_unique<Vp8Source>(session);
}

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
      reap();
      lock.lock();
    }
  });
}

void WhepBroadcast::run(const std::stop_token& stop) {
  wait_for_viewer(stop);
  const auto source = open_();
  while (!stop.stop_requested()) {
    const Time asked = media::WebRtcPeer::now();
    const UnitBlock block = source->next(stop);
    if (block.empty()) break;
    send(block, media::WebRtcPeer::now() - asked > kWaited, stop);
  }
  std::unique_lock lock(mutex_);
  if (shown_.empty()) return;
  const Time end = start_ + std::chrono::duration_cast<Time>(shown_.back().pts + shown_.back().duration) + kLinger;
  changed_.wait_for(lock, stop, end - media::WebRtcPeer::now(), [] { return false; });
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

/// A block that comes late moves all that follows. At the live end such a delay is caught up, unnoticeably, as far as
/// blocks have come early since.
void WhepBroadcast::schedule(const UnitBlock& block, bool at_live_end) {
  const auto time = std::chrono::duration_cast<Time>(block.front().pts);
  const Time now = media::WebRtcPeer::now();
  if (start_.count() < 0 || start_ + time < now) {
    start_ = now - time;
    least_early_ = Time::max();
    watched_ = to_catch_up_ = Time(0);
    return;
  }
  if (!at_live_end) return;
  const auto duration = std::chrono::duration_cast<Time>(block.back().pts + block.back().duration - block.front().pts);
  const Time step = std::min(to_catch_up_, duration / 20);
  start_ -= step;
  to_catch_up_ -= step;
  least_early_ = std::min(least_early_, start_ + time - now);
  watched_ += duration;
  if (watched_ < kCatchUpWindow) return;
  to_catch_up_ = std::max(Time(0), least_early_ - kReserve);
  least_early_ = Time::max();
  watched_ = Time(0);
}

void WhepBroadcast::send(const UnitBlock& block, bool at_live_end, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  schedule(block, at_live_end);
  const auto due = [&](const media::AccessUnit& unit) { return start_ + std::chrono::duration_cast<Time>(unit.pts); };
  changed_.wait_for(lock, stop, due(block.front()) - kAhead - media::WebRtcPeer::now(), [] { return false; });
  if (stop.stop_requested()) return;
  shown_ = block;
  for (const auto& [id, peer] : peers_)
    for (const media::AccessUnit& unit : block) peer->push(unit, due(unit));
}

void WhepBroadcast::add(std::string id, std::shared_ptr<media::WebRtcPeer> peer) {
  const std::scoped_lock lock(mutex_);
  require(!ended_, ErrorCode::conflict, "the video has just ended; ask again to see it from its start");
  // In one burst what the others have seen of this block; a decoder catches up within a few pictures.
  for (const media::AccessUnit& unit : shown_) peer->push(unit, start_ + std::chrono::duration_cast<Time>(unit.pts));
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

Whep::Answer Whep::connect(std::string_view text, const media::WebRtcPeer::Options& options) {
  const auto offer = media::WebRtcOffer::parse(text);
  const auto wanted = std::find_if(offer.formats.begin(), offer.formats.end(), [&](const auto& format) {
    return format.codec == media::Codec::vp8 || video_->track().codec == media::Codec::h264;
  });
  require(wanted != offer.formats.end(), ErrorCode::unsupported,
          "the viewer takes H.264 only, and no encoder for it is installed");
  auto peer = std::make_shared<media::WebRtcPeer>(offer, *wanted, options);
  Answer answer{.id = generation::SessionId::random().text(), .sdp = peer->answer()};
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
