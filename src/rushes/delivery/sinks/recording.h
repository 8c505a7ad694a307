// Recordings: one file per session, in a directory whose size is bounded. While it grows it is a fragmented MP4, which
// plays up to the last fragment wherever it is cut off, so nothing has to be repaired after a crash; then a plain one.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "rushes/base/readable_file.h"
#include "rushes/media/plain_mp4.h"

namespace rushes::delivery {

/// One thread appends; any thread reads what was appended. While nobody reads and nothing is appended there is no
/// descriptor.
class Recording {
 public:
  /// Creates the file, readable by its owner only. Throws Error(unavailable) naming the path if it cannot be created
  /// or exists.
  explicit Recording(std::filesystem::path path);
  /// One that an earlier process made; nothing is opened yet. `index`: as RecordedFile.
  Recording(std::filesystem::path path, std::optional<int64_t> index) : path_(std::move(path)), index_(index) {}
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// All of `bytes` or nothing: what a full disk cut off is taken back. Throws Error(exhausted).
  void append(std::span<const uint8_t> bytes);
  /// Nothing more will be appended; what was is put on the disk.
  void close();

  /// The file as it is now, whatever becomes of its name, and the fragments' heads if they are not among its bytes.
  struct Content {
    std::shared_ptr<const ReadableFile> file;
    std::shared_ptr<const media::Bytes> heads = {};

    /// A fragment as it was appended. Throws Error(corrupt_data) if the file was changed by somebody else.
    media::Bytes fragment(const media::FragmentPlace& place) const;
  };
  /// Throws Error(not_found) if the file is gone, Error(corrupt_data).
  Content content() const;
  /// Lets go of it until somebody reads again, if that is possible: not of one that was removed.
  void rest();

  /// Makes a plain MP4 of it, beside it; take_finished() then puts that in its place. Nothing may be appended any more.
  /// Throws as media::write_plain_mp4().
  media::PlainMp4File write_finished(std::span<const uint8_t> init_segment,
                                     std::span<const media::FragmentPlace> places) const;
  /// Takes no time. Throws Error(unavailable); then it is as before, and likewise if it was removed meanwhile (false).
  bool take_finished(const media::PlainMp4File& finished);
  /// Removes the file; who has its content() keeps that.
  void remove();
  bool removed() const;

 private:
  std::filesystem::path finished_path() const;

  const std::filesystem::path path_;
  int file_ = -1;     // to append to; the appending thread's
  int64_t size_ = 0;  // the appending thread's
  mutable std::mutex mutex_;
  std::optional<int64_t> index_;
  bool removed_ = false;
  mutable Content content_;  // once somebody reads
};

/// Where recordings lie if nothing else was said: $XDG_DATA_HOME/rushes, ~/.local/share/rushes, or a folder of the
/// user's own below the system's for temporary files.
std::filesystem::path default_data_directory();

/// Creates the directory if missing. Throws Error(invalid_argument) if it is none or cannot be written to.
void prepare_directory(const std::filesystem::path& directory);

/// Name of a file without its ending, if it is named as recordings are: 32 hexadecimal digits and .mp4.
std::optional<std::string> recording_name(const std::filesystem::path& path);
/// The same of what take_finished() never came to.
std::optional<std::string> unfinished_name(const std::filesystem::path& path);

}  // namespace rushes::delivery
