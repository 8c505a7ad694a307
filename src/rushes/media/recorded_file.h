// What a recorded file has, read from its boxes and nothing else: enough to serve a recording of an earlier process
// piece by piece, and to find where it was cut off.
#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "rushes/media/access_unit.h"
#include "rushes/media/plain_mp4.h"

namespace rushes::media {

struct RecordedFragment {
  FragmentPlace place;  // in the file; the head of one in a plain MP4: in its fragment_headers()
  Pts pts{0}, duration{0};
  int64_t video_frames = 0;

  int64_t size() const { return place.head_bytes + 8 + place.data_bytes; }
};

struct RecordedFile {
  Bytes init_segment;
  VideoTrack track;  // without its rate, which the file does not say
  std::optional<AudioTrack> audio;
  std::vector<RecordedFragment> fragments;
  int64_t file_bytes = 0;
  /// Nothing: it still consists of fragments. Else it is a plain MP4, whose fragments' headers are found there.
  std::optional<int64_t> index = {};
  int64_t index_bytes = 0;
  /// Of its data: a plain MP4 that has lost its end. The fragments are those that are left.
  int64_t lost_bytes = 0;
  /// What follows the fragments is the beginning of one more, as a process that was killed leaves it. Anything else
  /// there is damage.
  bool cut_off = false;

  int64_t complete_bytes() const {
    const int64_t headers = index ? *index + index_bytes : static_cast<int64_t>(init_segment.size());
    if (fragments.empty()) return headers;
    return std::max(headers, fragments.back().place.data + fragments.back().place.data_bytes);
  }
  int64_t video_frames() const;
  /// Fragments that have pictures: all but the end of the sound.
  int64_t blocks() const;
};

/// Reads a file that a FragmentWriter made, whole or cut off anywhere: what follows the last complete fragment is left
/// out; or one of write_plain_mp4(), likewise (of earlier versions, which have their index at the end: a whole one).
/// Any thread. Throws Error(corrupt_data) if not even its initialisation segment or its index is complete,
/// Error(unavailable) if it cannot be read.
RecordedFile read_recorded_file(const std::filesystem::path& path);

/// Makes a plain MP4 of one that a FragmentWriter made: beside it, then in its place, so that one of the two is there
/// whatever happens. What is no regular file, or has nothing in it, stays as it is, and so does one beside which
/// nothing can be written. Throws Error(exhausted) for a full disk, Error(corrupt_data).
void finish_mp4(const std::filesystem::path& path);

}  // namespace rushes::media
