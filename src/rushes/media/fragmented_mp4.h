// Access units to fragmented MP4 (ISO/IEC 14496-12; the MSE byte stream format of it): an initialisation segment, then
// one fragment a call. The same bytes serve a growing file, a chunked HTTP response and a SourceBuffer; a file that is
// cut after any fragment plays up to there.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// A box without meaning, which players skip between two fragments.
inline constexpr std::string_view kEmptyBox(
    "\0\0\0\x08"
    "free",
    8);

/// For MediaSource and Content-Type (RFC 6381): video/mp4; codecs="avc1.42C01F", with sound "avc1.42C01F,mp4a.40.2".
std::string mp4_mime_type(const VideoTrack& track, bool has_audio);

/// Fragments of one video track, and possibly one of sound. Times are absolute: a viewer that comes late gets
/// init_segment() and then any fragment that begins with a key frame. One thread at a time.
class FragmentWriter {
 public:
  /// H.264: in the header alone, or in every key frame too, where pictures of several encoders follow each other.
  enum class ParameterSets { in_header, in_key_frames };
  /// Throws Error(invalid_argument) if the track lacks its parameter sets.
  explicit FragmentWriter(const VideoTrack& track, std::optional<AudioTrack> audio = {},
                          ParameterSets sets = ParameterSets::in_header);
  ~FragmentWriter();
  FragmentWriter(FragmentWriter&&) noexcept;
  FragmentWriter& operator=(FragmentWriter&&) noexcept;

  /// ftyp and moov. Valid as long as the writer lives; complete from the start.
  const Bytes& init_segment() const;
  /// mp4_mime_type() of its tracks.
  const std::string& mime_type() const;
  /// moof and mdat of `units`, in decoding order, and of `sound`. Empty for no units.
  Bytes fragment(std::span<const AccessUnit> units, std::span<const AccessUnit> audio = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
