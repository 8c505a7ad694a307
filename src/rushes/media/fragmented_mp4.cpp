#include "rushes/media/fragmented_mp4.h"

#include "rushes/media/muxer.h"

namespace rushes::media {
namespace {

/// The picture's own units: parameter sets stand in the header once, and "avc1" wants them there only.
std::span<const uint8_t> sample(const AccessUnit& unit, const VideoTrack& track) {
  return std::span(*unit.bytes).subspan(unit.is_key && track.codec == Codec::h264 ? track.parameter_sets.size() : 0);
}

}  // namespace

std::string mp4_mime_type(const VideoTrack& track, bool has_audio) {
  return "video/mp4; codecs=\"" + track.codec_string() +
         (has_audio ? std::string(",") + AudioTrack::kCodecString : "") + "\"";
}

struct FragmentWriter::State {
  State(const VideoTrack& t, const std::optional<AudioTrack>& audio, ParameterSets where)
      : track(t),
        sets(where),
        mime(mp4_mime_type(t, audio.has_value())),
        // frag_discont: decode times are the stream's own, also where a writer begins in the middle.
        muxer(
            "mp4", t,
            {{"movflags", "empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer"}, {"use_editlist", "0"}},
            audio ? &*audio : nullptr),
        init(muxer.take()) {}

  VideoTrack track;
  ParameterSets sets;
  std::string mime;
  MemoryMuxer muxer;
  Bytes init;
};

FragmentWriter::FragmentWriter(const VideoTrack& track, std::optional<AudioTrack> audio, ParameterSets sets)
    : state_(std::make_unique<State>(track, audio, sets)) {}
FragmentWriter::~FragmentWriter() = default;
FragmentWriter::FragmentWriter(FragmentWriter&&) noexcept = default;
FragmentWriter& FragmentWriter::operator=(FragmentWriter&&) noexcept = default;

const Bytes& FragmentWriter::init_segment() const { return state_->init; }
const std::string& FragmentWriter::mime_type() const { return state_->mime; }

Bytes FragmentWriter::fragment(std::span<const AccessUnit> units, std::span<const AccessUnit> audio) {
  State& s = *state_;
  if (units.empty() && audio.empty()) return {};
  for (const AccessUnit& unit : units)
    s.muxer.write(unit, s.sets == ParameterSets::in_header ? sample(unit, s.track) : *unit.bytes);
  for (const AccessUnit& unit : audio) s.muxer.write_audio(unit);
  s.muxer.flush();
  return s.muxer.take();
}

}  // namespace rushes::media
