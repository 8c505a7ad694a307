#include "rushes/media/fragmented_mp4.h"

#include <algorithm>

#include "rushes/media/muxer.h"

namespace rushes::media {
namespace {

/// The picture's own units: parameter sets stand in the header once, and "avc1" wants them there only. A picture of
/// another encoder, as where videos are joined, keeps those that it brings.
std::span<const uint8_t> sample(const AccessUnit& unit, const VideoTrack& track) {
  const std::span<const uint8_t> bytes(*unit.bytes), sets(track.parameter_sets);
  const bool is_header = unit.is_key && track.codec == Codec::h264 && bytes.size() >= sets.size() &&
                         std::ranges::equal(bytes.first(sets.size()), sets);
  return bytes.subspan(is_header ? sets.size() : 0);
}

}  // namespace

std::string mp4_mime_type(const VideoTrack& track, bool has_audio) {
  return "video/mp4; codecs=\"" + track.codec_string() +
         (has_audio ? std::string(",") + AudioTrack::kCodecString : "") + "\"";
}

struct FragmentWriter::State {
  State(const VideoTrack& t, const std::optional<AudioTrack>& audio)
      : track(t),
        mime(mp4_mime_type(t, audio.has_value())),
        // frag_discont: decode times are the stream's own, also where a writer begins in the middle.
        muxer(
            "mp4", t,
            {{"movflags", "empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer"}, {"use_editlist", "0"}},
            audio ? &*audio : nullptr),
        init(muxer.take()) {}

  VideoTrack track;
  std::string mime;
  MemoryMuxer muxer;
  Bytes init;
};

FragmentWriter::FragmentWriter(const VideoTrack& track, std::optional<AudioTrack> audio)
    : state_(std::make_unique<State>(track, audio)) {}
FragmentWriter::~FragmentWriter() = default;
FragmentWriter::FragmentWriter(FragmentWriter&&) noexcept = default;
FragmentWriter& FragmentWriter::operator=(FragmentWriter&&) noexcept = default;

const Bytes& FragmentWriter::init_segment() const { return state_->init; }
const std::string& FragmentWriter::mime_type() const { return state_->mime; }

Bytes FragmentWriter::fragment(std::span<const AccessUnit> units, std::span<const AccessUnit> audio) {
  State& s = *state_;
  if (units.empty() && audio.empty()) return {};
  for (const AccessUnit& unit : units) s.muxer.write(unit, sample(unit, s.track));
  for (const AccessUnit& unit : audio) s.muxer.write_audio(unit);
  s.muxer.flush();
  return s.muxer.take();
}

}  // namespace rushes::media
