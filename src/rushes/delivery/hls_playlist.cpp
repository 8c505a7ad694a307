#include "rushes/delivery/hls_playlist.h"

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

void HlsSegments::add(std::span<const FragmentTimes> fragments) {
  for (const FragmentTimes& fragment : fragments) {
    if (!open_) open_ = HlsSegment{.first_fragment = seen_, .pts = fragment.pts, .out = fragment.out};
    ++open_->fragments;
    open_->duration += fragment.duration;
    open_->bytes += fragment.bytes;
    ++seen_;
    if (open_->duration >= kLeastSegment) end();
  }
}

void HlsSegments::end() {
  if (open_) complete_.push_back(*open_);
  open_.reset();
}

std::string media_playlist(const HlsPlaylist& playlist, std::span<const HlsSegment> segments) {
  std::string text = fmt::format("#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
                                 playlist.format == HlsFormat::fmp4 ? 7 : 6, playlist.target_seconds, playlist.first);
  if (playlist.event && playlist.first == 0) text += "#EXT-X-PLAYLIST-TYPE:EVENT\n";
  text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
  if (!playlist.ended) text += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n";
  if (playlist.from_start) text += "#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n";
  if (playlist.format == HlsFormat::fmp4) text += "#EXT-X-MAP:URI=\"init.mp4\"\n";
  const std::string_view ending = playlist.format == HlsFormat::fmp4 ? "m4s" : "ts";
  for (std::size_t i = playlist.first; i < segments.size(); ++i) {
    // One date is enough: the others follow from the durations.
    if (i == playlist.first) {
      const auto since = std::chrono::duration_cast<std::chrono::system_clock::duration>(segments[i].pts - segments[0].pts);
      text += fmt::format("#EXT-X-PROGRAM-DATE-TIME:{}\n", date_time(segments[0].out + since));
    }
    text += fmt::format("#EXTINF:{:.5f},\n{}.{}\n", seconds(segments[i].duration), i, ending);
  }
  if (playlist.ended) text += "#EXT-X-ENDLIST\n";
  return text;
}

std::string master_playlist(const media::VideoTrack& track, std::span<const HlsSegment> segments, std::string_view media_url) {
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
      "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",RESOLUTION={}x{},FRAME-RATE={:.3f}\n{}\n",
      bits(segments.empty() ? guess : peak), bits(segments.empty() ? guess : bytes / duration), track.codec_string(), track.width, track.height,
      track.fps, media_url);
}

int64_t target_seconds(media::Pts first_fragment, double fps) {
  return std::max<int64_t>(1, std::llround(std::ceil(seconds(first_fragment) + 3 / fps - 1e-6)));
}

}  // namespace rushes::delivery
