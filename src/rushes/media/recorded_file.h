// What a recorded file has, read from its boxes and nothing else: enough to serve a recording of an earlier process
// piece by piece, and to find where it was cut off.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

struct RecordedFragment {
  int64_t offset = 0, size = 0;  // in the file
  Pts pts{0}, duration{0};
  int64_t video_frames = 0;
};

struct RecordedFile {
  Bytes init_segment;
  VideoTrack track;  // without its rate, which the file does not say
  std::optional<AudioTrack> audio;
  std::vector<RecordedFragment> fragments;
  int64_t file_bytes = 0;
  /// What follows the fragments is the beginning of one more, as a process that was killed leaves it. Anything else
  /// there is damage.
  bool cut_off = false;

  int64_t complete_bytes() const {
    return fragments.empty() ? static_cast<int64_t>(init_segment.size())
                             : fragments.back().offset + fragments.back().size;
  }
  int64_t video_frames() const;
  /// Fragments that have pictures: all but the end of the sound.
  int64_t blocks() const;
};

/// Reads a file that a FragmentWriter made, whole or cut off anywhere: what follows the last complete fragment is left
/// out. Any thread. Throws Error(corrupt_data) if not even its initialisation segment is complete, Error(unavailable)
/// if it cannot be read.
RecordedFile read_recorded_file(const std::filesystem::path& path);

}  // namespace rushes::media
