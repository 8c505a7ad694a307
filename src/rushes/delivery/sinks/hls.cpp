#include "rushes/delivery/sinks/hls.h"

#include <algorithm>
#include <span>

#include "rushes/base/error.h"

namespace rushes::delivery {

HlsStream::HlsStream(std::shared_ptr<const EncodedStream> video, HlsOptions options)
    : video_(std::move(video)),
      options_(options),
      endless_(video_->session()->format().segments == 0),
      segments_(options.least_segment),
      fmp4_(video_, as_fragments(), options.cached_segments),
      mpeg_ts_(video_, as_mpeg_ts(*video_, options.mpeg_ts_shift), options.cached_segments) {}

void HlsStream::update_locked() {
  if (ended_) return;
  const bool over = video_->status().ended;  // asked first, so that no fragment is missed
  const auto known = static_cast<int64_t>(segments_.parts().size());
  const std::vector<GopTimes> all = video_->times(known);
  std::span<const GopTimes> more = all;
  // Asked after the times: the end of an utterance is known before what follows it.
  const std::vector<int64_t> ends = video_->utterance_ends();
  for (; utterances_ < ends.size() && ends[utterances_] <= known + static_cast<int64_t>(all.size()); ++utterances_) {
    const auto before =
        static_cast<std::size_t>(std::max<int64_t>(0, ends[utterances_] - known)) - (all.size() - more.size());
    segments_.add(more.first(before));
    more = more.subspan(before);
    segments_.end();
  }
  segments_.add(more);
  if (over) segments_.end();
  ended_ = over;
}

std::size_t HlsStream::first_locked() const {
  const auto& all = segments_.complete();
  std::size_t first = endless_ && all.size() > options_.window_segments ? all.size() - options_.window_segments : 0;
  const int64_t oldest = video_->oldest();
  while (first < all.size() && all[first].first_gop < oldest) ++first;
  return first;
}

std::string HlsStream::master(HlsFormat format) {
  const std::scoped_lock lock(mutex_);
  update_locked();
  return master_playlist(video_->track(), segments_.complete(), format == HlsFormat::fmp4 ? "video.m3u8" : "ts.m3u8",
                         video_->audio_track() != nullptr);
}

std::string HlsStream::playlist(HlsFormat format, bool from_start) {
  const std::scoped_lock lock(mutex_);
  update_locked();
  const auto& all = segments_.complete();
  const auto parts = static_cast<int64_t>(segments_.parts().size());
  Text& cached = texts_[format == HlsFormat::mpeg_ts][from_start];
  if (cached.parts != parts || cached.ended != ended_) {
    HlsPlaylist playlist{
        .format = format, .first = first_locked(), .event = !endless_, .ended = ended_, .from_start = from_start};
    if (!all.empty()) {
      playlist.target_seconds = target_seconds(all[0].duration, video_->track().fps);
      playlist.part_target = longest_from_first(segments_.parts()[0], video_->track().fps);
    }
    cached = {.parts = parts, .ended = ended_, .text = media_playlist(playlist, segments_)};
  }
  return cached.text;
}

int64_t HlsStream::segments() {
  const std::scoped_lock lock(mutex_);
  update_locked();
  return static_cast<int64_t>(segments_.complete().size());
}

std::vector<media::Pts> HlsStream::durations() {
  const std::scoped_lock lock(mutex_);
  update_locked();
  std::vector<media::Pts> durations;
  for (const HlsSegment& segment : segments_.complete()) durations.push_back(segment.duration);
  return durations;
}

bool HlsStream::has(int64_t number, std::optional<int64_t> part) {
  const std::scoped_lock lock(mutex_);
  update_locked();
  const auto complete = static_cast<int64_t>(segments_.complete().size());
  return ended_ || number < complete ||
         (part && number == complete && segments_.open() && segments_.open()->gops > *part);
}

bool HlsStream::ended() {
  const std::scoped_lock lock(mutex_);
  update_locked();
  return ended_;
}

SharedBytes HlsStream::part(int64_t number) const {
  const GopPtr gop = video_->gop(number);
  require(gop != nullptr, ErrorCode::not_found, "part {} does not exist: it is not generated yet or no longer kept",
          number);
  return gop->fragment;
}

SharedBytes HlsStream::segment(int64_t number, HlsFormat format) {
  HlsSegment segment;
  {
    const std::scoped_lock lock(mutex_);
    update_locked();
    const auto count = static_cast<int64_t>(segments_.complete().size());
    require(number >= 0 && number < count, ErrorCode::not_found,
            "segment {} does not exist; the video has {} segments so far", number, count);
    segment = segments_.complete()[static_cast<std::size_t>(number)];
  }
  return (format == HlsFormat::fmp4 ? fmp4_ : mpeg_ts_).piece(segment.first_gop, segment.gops);
}

}  // namespace rushes::delivery
