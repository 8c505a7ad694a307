#include "rushes/delivery/packager.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/mpeg_ts.h"
#include "rushes/media/plain_mp4.h"

namespace rushes::delivery {
namespace {

void append(const std::vector<media::AccessUnit>& units, media::Pts shift, std::vector<media::AccessUnit>& all) {
  for (media::AccessUnit unit : units) {
    unit.pts += shift;
    unit.dts += shift;
    all.push_back(std::move(unit));
  }
}

void append(const media::Bytes& bytes, media::Bytes& all) { all.insert(all.end(), bytes.begin(), bytes.end()); }

}  // namespace

std::shared_ptr<Packager::Piece> Packager::find(int64_t first, int64_t count) {
  const std::scoped_lock lock(mutex_);
  for (const auto& piece : pieces_)
    if (piece->first == first && piece->count == count) return piece;
  auto piece = std::make_shared<Piece>();
  piece->first = first;
  piece->count = count;
  pieces_.push_back(piece);
  if (pieces_.size() > kept_) pieces_.pop_front();
  return piece;
}

SharedBytes Packager::piece(int64_t first, int64_t count) {
  const auto piece = find(first, count);
  const std::scoped_lock lock(piece->mutex);
  if (piece->bytes) return piece->bytes;
  std::vector<GopPtr> gops;
  for (int64_t index = first; index < first + count; ++index) {
    gops.push_back(video_->gop(index));
    require(gops.back() != nullptr, ErrorCode::not_found,
            "this segment is no longer available; load the playlist again");
  }
  return piece->bytes = pack_(gops);
}

Packager::Pack as_fragments() {
  return [](std::span<const GopPtr> gops) -> SharedBytes {
    if (gops.size() == 1) return gops.front()->fragment;
    auto all = std::make_shared<media::Bytes>();
    for (const GopPtr& gop : gops) append(*gop->fragment, *all);
    return all;
  };
}

Packager::Pack as_mpeg_ts(const EncodedStream& video, media::Pts shift) {
  return [track = video.track(), audio_track = video.audio_track() ? std::optional(*video.audio_track()) : std::nullopt,
          shift](std::span<const GopPtr> gops) -> SharedBytes {
    std::vector<media::AccessUnit> pictures, audio;
    for (const GopPtr& gop : gops) {
      append(gop->pictures, media::Pts{0}, pictures);
      append(gop->audio, media::Pts{0}, audio);
    }
    return std::make_shared<const media::Bytes>(
        media::mpeg_ts_segment(track, pictures, audio_track ? &*audio_track : nullptr, audio, shift));
  };
}

SharedBytes joined_mp4(std::span<const std::shared_ptr<const EncodedStream>> videos) {
  const media::AudioTrack* audio_track = nullptr;
  for (const auto& video : videos) {
    require(video->track().codec == videos.front()->track().codec &&
                (video->track().codec == media::Codec::h264 || video->track().width == videos.front()->track().width),
            ErrorCode::unsupported, "videos of different codecs cannot be joined without encoding them again");
    if (!video->audio_track()) continue;
    require(!audio_track || audio_track->config == video->audio_track()->config, ErrorCode::unsupported,
            "the audio of these videos has different formats and cannot be joined without encoding it again");
    audio_track = video->audio_track();
  }
  using Sets = media::FragmentWriter::ParameterSets;
  const bool alike = std::all_of(videos.begin(), videos.end(), [&](const auto& video) {
    return video->track().parameter_sets == videos.front()->track().parameter_sets;
  });
  media::FragmentWriter writer(videos.front()->track(), audio_track ? std::optional(*audio_track) : std::nullopt,
                               alike ? Sets::in_header : Sets::in_key_frames);
  media::Bytes all = writer.init_segment();
  media::Pts shift{0};
  for (const auto& video : videos) {
    const auto times = video->times();
    for (int64_t index = 0; index < static_cast<int64_t>(times.size()); ++index) {
      const GopPtr gop = video->gop(index);
      require(gop != nullptr, ErrorCode::unavailable,
              "the video is not whole: a part of it is neither recorded nor in memory");
      std::vector<media::AccessUnit> pictures, audio;
      append(gop->pictures, shift, pictures);
      append(gop->audio, shift, audio);
      append(writer.fragment(pictures, audio), all);
    }
    if (!times.empty()) shift += times.back().pts + times.back().duration;
  }
  return std::make_shared<const media::Bytes>(media::plain_mp4(all));
}

}  // namespace rushes::delivery
