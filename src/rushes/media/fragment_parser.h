// What a FragmentWriter made, taken apart again: the only reader of our own MP4. Recordings are read back with it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// Knows the tracks; each fragment describes its own access units. Any thread.
class FragmentParser {
 public:
  /// Throws Error(corrupt_data) if this is not an initialisation segment with a video track.
  explicit FragmentParser(std::span<const uint8_t> init_segment);

  /// Without its rate, which a file does not say.
  const VideoTrack& track() const noexcept;
  const std::optional<AudioTrack>& audio_track() const noexcept;

  struct Times {
    Pts begin{0}, duration{0};  // of the pictures
    int64_t pictures = 0;
    int64_t data_bytes = 8;  // of the mdat box with the samples of all tracks, which follows
  };
  /// From a moof box. Throws Error(corrupt_data).
  Times times(std::span<const uint8_t> moof) const;

  struct Sample {
    int64_t time = 0, shown_later = 0, duration = 0;  // in the track's units
    std::size_t offset = 0, size = 0;                 // from the beginning of the moof box
    bool is_key = false;
  };
  struct Run {
    uint32_t track = 0;  // its number
    std::vector<Sample> samples;
  };
  /// A moof box's samples of each track. Throws Error(corrupt_data).
  std::vector<Run> runs(std::span<const uint8_t> moof) const;

  struct Units {
    std::vector<AccessUnit> pictures, audio;
  };
  /// The access units that FragmentWriter::fragment() was given, equal in bytes, times and flags.
  /// Throws Error(corrupt_data) if these bytes are not one whole fragment.
  Units units(std::span<const uint8_t> fragment) const;

 private:
  struct Movie;
  std::shared_ptr<const Movie> movie_;
};

}  // namespace rushes::media
