#include "rushes/delivery/sinks/hls_playlist.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rushes::delivery {
namespace {

double seconds(media::Pts time) { return static_cast<double>(time.count()) / media::Pts::period::den; }

/// RFC 3339, UTC, to the millisecond.
std::string date_time(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(time - whole);
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), rest.count());
}

}  // namespace

void HlsSegments::add(std::span<const GopTimes> gops) {
  for (const GopTimes& gop : gops) {
    if (gop.duration.count() == 0 && !open_ && !complete_.empty()) {
      ++complete_.back().gops;
      complete_.back().bytes += gop.bytes;
      parts_.push_back(gop.duration);
      continue;
    }
    if (!open_) open_ = HlsSegment{.first_gop = static_cast<int64_t>(parts_.size()), .pts = gop.pts, .out = gop.out};
    ++open_->gops;
    open_->duration += gop.duration;
    open_->bytes += gop.bytes;
    parts_.push_back(gop.duration);
    if (open_->duration >= least_) end();
  }
}

void HlsSegments::end() {
  if (open_) complete_.push_back(*open_);
  open_.reset();
}

std::string media_playlist(const HlsPlaylist& playlist, const HlsSegments& segments) {
  const auto& complete = segments.complete();
  const bool has_parts = playlist.part_target.count() > 0 && !playlist.ended && playlist.format == HlsFormat::fmp4;
  std::string text = fmt::format("#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
                                 playlist.format == HlsFormat::fmp4 ? 7 : 6, playlist.target_seconds, playlist.first);
  if (playlist.event && playlist.first == 0) text += "#EXT-X-PLAYLIST-TYPE:EVENT\n";
  text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
  if (has_parts)
    text += fmt::format(
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.5f}\n#EXT-X-PART-INF:PART-TARGET={:.5f}\n",
        3 * seconds(playlist.part_target), seconds(playlist.part_target));
  else if (!playlist.ended)
    text += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n";
  if (playlist.from_start) text += "#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n";
  if (playlist.format == HlsFormat::fmp4) text += "#EXT-X-MAP:URI=\"init.mp4\"\n";
  const std::string_view ending = playlist.format == HlsFormat::fmp4 ? "m4s" : "ts";
  const auto list_parts = [&](const HlsSegment& segment) {
    for (int64_t part = segment.first_gop; part < segment.first_gop + segment.gops; ++part) {
      const media::Pts duration = segments.parts()[static_cast<std::size_t>(part)];
      // The end of an utterance is audio alone, within the time of the part before: nothing can begin there.
      text += fmt::format("#EXT-X-PART:DURATION={:.5f},URI=\"part{}.m4s\"{}\n", seconds(duration), part,
                          duration.count() > 0 ? ",INDEPENDENT=YES" : "");
    }
  };
  // Parts are for the live end only: of the last three target durations.
  media::Pts until_end{0};
  std::size_t first_with_parts = complete.size();
  while (has_parts && first_with_parts > playlist.first &&
         seconds(until_end) < 3.0 * static_cast<double>(playlist.target_seconds))
    until_end += complete[--first_with_parts].duration;
  for (std::size_t i = playlist.first; i < complete.size(); ++i) {
    // One date is enough: the others follow from the durations.
    if (i == playlist.first) {
      const auto since =
          std::chrono::duration_cast<std::chrono::system_clock::duration>(complete[i].pts - complete[0].pts);
      text += fmt::format("#EXT-X-PROGRAM-DATE-TIME:{}\n", date_time(complete[0].out + since));
    }
    if (i >= first_with_parts) list_parts(complete[i]);
    text += fmt::format("#EXTINF:{:.5f},\n{}.{}\n", seconds(complete[i].duration), i, ending);
  }
  if (has_parts && segments.open()) list_parts(*segments.open());
  // Also what tells hls.js that the last segment above is complete.
  if (has_parts) text += fmt::format("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part{}.m4s\"\n", segments.parts().size());
  if (playlist.ended) text += "#EXT-X-ENDLIST\n";
  return text;
}

std::string master_playlist(const media::VideoTrack& track, std::span<const HlsSegment> segments,
                            std::string_view media_url, bool has_audio) {
  double peak = 0, bytes = 0, duration = 0;
  for (const HlsSegment& segment : segments) {
    peak = std::max(peak, static_cast<double>(segment.bytes) / seconds(segment.duration));
    bytes += static_cast<double>(segment.bytes);
    duration += seconds(segment.duration);
  }
  // Before there is anything to measure: a tenth of a bit per pixel.
  const double guess = static_cast<double>(track.width * track.height) * track.fps * 0.1 / 8;
  const auto bits = [](double bytes_per_second) { return static_cast<int64_t>(std::ceil(bytes_per_second * 8)); };
  return fmt::format(
      "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
      "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}{}\",RESOLUTION={}x{},FRAME-RATE={:.3f}\n{}\n",
      bits(segments.empty() ? guess : peak), bits(segments.empty() ? guess : bytes / duration), track.codec_string(),
      has_audio ? std::string(",") + media::AudioTrack::kCodecString : "", track.width, track.height, track.fps,
      media_url);
}

media::Pts longest_from_first(media::Pts first, double fps) { return first + media::frame_time(3, fps); }

int64_t target_seconds(media::Pts first_segment, double fps) {
  return std::max<int64_t>(1, std::llround(std::ceil(seconds(longest_from_first(first_segment, fps)) - 1e-3)));
}

}  // namespace rushes::delivery
