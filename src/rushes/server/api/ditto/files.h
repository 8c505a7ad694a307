// Files that clients name: those below one folder, and what they have uploaded. Nothing else exists for them.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rushes::server::ditto {

class ServedFiles {
 public:
  /// Uploads beyond `most_bytes` make room for newer ones.
  ServedFiles(std::filesystem::path root, std::filesystem::path uploads, int64_t most_bytes = int64_t{1} << 30)
      : root_(std::move(root)), uploads_(std::move(uploads)), most_bytes_(most_bytes) {}

  /// The plain file that a path names, from the folder on or as an absolute path, links resolved; nothing: there is
  /// none, or it lies outside. Any thread.
  std::optional<std::filesystem::path> find(std::string_view path) const;
  /// Keeps an uploaded file; gives the path by which find() knows it. `kind`: audio or source, `suffix`: as
  /// suffix_of(). Throws Error(unavailable) if it cannot be written. One thread at a time.
  std::string keep(std::string_view content, std::string_view kind, std::string_view suffix);

 private:
  void make_room(int64_t bytes) const;

  const std::filesystem::path root_, uploads_;
  const int64_t most_bytes_;
};

/// ".wav": the ending of a file's name, in lower case; empty: it has none.
std::string suffix_of(std::string_view file_name);
bool is_audio_suffix(std::string_view suffix);
bool is_image_suffix(std::string_view suffix);

}  // namespace rushes::server::ditto
