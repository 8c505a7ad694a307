#include "rushes/server/api/imtalker/hls.h"

#include <algorithm>
#include <charconv>
#include <span>

namespace rushes::server::imtalker {
namespace {

constexpr std::string_view kPrefix = "segment", kEnding = ".ts";

}  // namespace

std::string playlist(const Head& session) {
  const bool complete =
      session.complete() && !session.open_ended();  // asked first, so that no segment is missing before the end
  const std::vector<HeadSegment> segments = session.segments();
  // Those of sessions whose recordings are gone have left the playlist, with the joints among them.
  const auto first =
      std::find_if(segments.begin(), segments.end(), [](const HeadSegment& segment) { return !segment.gone; });
  const auto joints = session.passed_joints() + std::count_if(segments.begin(), first, [](const HeadSegment& segment) {
                        return segment.other_format;
                      });
  int64_t number = session.passed_segments() + (first - segments.begin());
  std::string text = fmt::format("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n{}#EXT-X-MEDIA-SEQUENCE:{}\n",
                                 number == 0 ? "#EXT-X-PLAYLIST-TYPE:EVENT\n" : "", number);
  if (joints > 0) text += fmt::format("#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", joints);
  for (const HeadSegment& segment : std::span(first, segments.end()))
    text += fmt::format("{}#EXTINF:{:.3f},\nsegment{:03}.ts\n", segment.other_format ? "#EXT-X-DISCONTINUITY\n" : "",
                        static_cast<double>(segment.duration.count()) / media::Pts::period::den, number++);
  if (complete) text += "#EXT-X-ENDLIST\n";
  return text;
}

std::optional<HeadSegment> find_segment(const Head& session, std::string_view file) {
  if (!file.starts_with(kPrefix) || !file.ends_with(kEnding)) return std::nullopt;
  const std::string_view digits =
      file.substr(kPrefix.size(), file.size() - std::min(file.size(), kPrefix.size() + kEnding.size()));
  if (digits.size() < 3 || digits.size() > 9 || (digits.size() > 3 && digits.front() == '0')) return std::nullopt;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  const auto passed = static_cast<std::size_t>(session.passed_segments());
  const auto segments = session.segments();
  return number >= passed && number - passed < segments.size() ? std::optional(segments[number - passed])
                                                               : std::nullopt;
}

delivery::SharedBytes merged_mp4(const std::vector<Hosted>& runs) {
  std::vector<std::shared_ptr<const delivery::EncodedStream>> videos;
  for (const Hosted& run : runs)
    if (!run.video->recording_removed()) videos.push_back(run.video);
  return delivery::joined_mp4(videos);
}

}  // namespace rushes::server::imtalker
