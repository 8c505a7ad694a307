#include "rushes/delivery/hls.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/media/fragment_reader.h"
#include "rushes/media/mpeg_ts.h"

namespace rushes::delivery {

HlsStream::HlsStream(std::shared_ptr<const EncodedStream> video, HlsOptions options)
    : video_(std::move(video)),
      options_(options),
      endless_(video_->session()->format().segments == 0),
      segments_(options.least_segment) {}

void HlsStream::update_locked() {
  if (ended_) return;
  const bool over = video_->status().ended;  // asked first, so that no fragment is missed
  segments_.add(video_->times(static_cast<int64_t>(segments_.parts().size())));
  if (over) segments_.end();
  ended_ = over;
}

std::size_t HlsStream::first_locked() const {
  const auto& all = segments_.complete();
  std::size_t first = endless_ && all.size() > options_.window_segments ? all.size() - options_.window_segments : 0;
  const int64_t oldest = video_->oldest();
  while (first < all.size() && all[first].first_fragment < oldest) ++first;
  return first;
}

std::string HlsStream::master(HlsFormat format) {
  const std::scoped_lock lock(mutex_);
  update_locked();
  return master_playlist(video_->track(), segments_.complete(), format == HlsFormat::fmp4 ? "video.m3u8" : "ts.m3u8",
                         video_->sound_track() != nullptr);
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
         (part && number == complete && segments_.open() && segments_.open()->fragments > *part);
}

bool HlsStream::ended() {
  const std::scoped_lock lock(mutex_);
  update_locked();
  return ended_;
}

std::shared_ptr<const media::Bytes> HlsStream::read(const HlsSegment& segment) const {
  auto all = std::make_shared<media::Bytes>();
  for (int64_t index = segment.first_fragment; index < segment.first_fragment + segment.fragments; ++index) {
    const auto fragment = video_->fragment(index);
    require(fragment.has_value(), ErrorCode::not_found,
            "this segment is no longer kept; begin again with the playlist");
    if (segment.fragments == 1) return fragment->bytes;
    all->insert(all->end(), fragment->bytes->begin(), fragment->bytes->end());
  }
  return all;
}

std::shared_ptr<const media::Bytes> HlsStream::part(int64_t number) const {
  const auto fragment = video_->fragment(number);
  require(fragment.has_value(), ErrorCode::not_found, "there is no part {} (yet, or any more)", number);
  return fragment->bytes;
}

std::shared_ptr<const media::Bytes> HlsStream::segment(int64_t number, HlsFormat format) {
  HlsSegment segment;
  {
    const std::scoped_lock lock(mutex_);
    update_locked();
    const auto count = static_cast<int64_t>(segments_.complete().size());
    require(number >= 0 && number < count, ErrorCode::not_found, "there is no segment {}; so far there are {}", number,
            count);
    segment = segments_.complete()[static_cast<std::size_t>(number)];
    if (format == HlsFormat::mpeg_ts)
      for (const Cached& cached : mpeg_ts_)
        if (cached.number == number) return cached.bytes;
  }
  auto bytes = read(segment);
  if (format == HlsFormat::fmp4) return bytes;
  std::vector<media::AccessUnit> sound;
  const auto units = media::read_fragments(video_->track(), *video_->init_segment(), *bytes, &sound);
  bytes = std::make_shared<const media::Bytes>(
      media::mpeg_ts_segment(video_->track(), units, video_->sound_track(), sound, options_.mpeg_ts_shift));
  const std::scoped_lock lock(mutex_);
  mpeg_ts_.push_back({number, bytes});
  if (mpeg_ts_.size() > options_.cached_segments) mpeg_ts_.pop_front();
  return bytes;
}

}  // namespace rushes::delivery
