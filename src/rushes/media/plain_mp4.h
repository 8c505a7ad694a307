// A finished recording as a plain MP4 (ISO/IEC 14496-12): the length and an index of all samples in front, then their
// bytes. That is what players and editors of every kind understand; fragments are for what still grows.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rushes/base/readable_file.h"
#include "rushes/media/access_unit.h"
#include "rushes/media/fragment_parser.h"

namespace rushes::media {

/// Where the two boxes of a fragment are found.
struct FragmentPlace {
  int64_t head = 0, head_bytes = 0;  // the moof box
  int64_t data = 0, data_bytes = 0;  // what the mdat box holds
};

/// The head of a plain MP4 with the samples of fragments, whose data follows it in the same order. One thread.
class PlainMp4 {
 public:
  /// `length`: the file says that it is as long as this, and that nothing of its tracks is to be seen or heard beyond;
  /// nothing: as long as its longest track. Throws Error(corrupt_data) if this is not the initialisation segment of a
  /// FragmentWriter.
  explicit PlainMp4(std::span<const uint8_t> init_segment, std::optional<Pts> length = {});
  ~PlainMp4();
  PlainMp4(PlainMp4&&) noexcept;
  PlainMp4& operator=(PlainMp4&&) noexcept;

  /// The moof box of the next fragment. Throws Error(corrupt_data).
  void add(std::span<const uint8_t> moof);
  /// ftyp, moov, the boxes `between`, and the head of the mdat box that all data makes up.
  Bytes head(std::span<const uint8_t> between = {}) const;
  /// Of what was added.
  int64_t data_bytes() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Initialisation segment and fragments, one after the other in memory, as a plain MP4, see PlainMp4. Throws
/// Error(corrupt_data).
Bytes plain_mp4(std::span<const uint8_t> fragmented, std::optional<Pts> length = {});

/// Where things lie in a file of write_plain_mp4().
struct PlainMp4File {
  int64_t bytes = 0;                  // of the file
  int64_t index = 0;                  // where the box with the headers begins
  std::vector<FragmentPlace> places;  // heads: within what fragment_headers() gives
};

/// Writes the fragments at `places` of `from` as a plain MP4 to the new file `to`, and puts it on the disk. Before the
/// data stands a box that players pass over: the initialisation segment and the fragments' heads, so that the same
/// fragments can be had again, also from a file that has lost its end. Throws Error(corrupt_data) for what `from` does
/// not hold, Error(exhausted) for a full disk, Error(unavailable) for another reason why it cannot be written; then
/// there is no such file.
PlainMp4File write_plain_mp4(const ReadableFile& from, std::span<const uint8_t> init_segment,
                             std::span<const FragmentPlace> places, const std::filesystem::path& to);

/// Size of the box at `index`. Throws Error(corrupt_data).
int64_t index_bytes(const ReadableFile& file, int64_t index);
/// What is in that box: initialisation segment and heads. Throws Error(corrupt_data).
Bytes fragment_headers(const ReadableFile& file, int64_t index);

/// Puts the names in the directory of `path` on the disk.
void sync_directory_of(const std::filesystem::path& path);

}  // namespace rushes::media
