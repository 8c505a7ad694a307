// What a data directory holds, so that the next process finds it: an SQLite database of sessions beside their
// recordings. Written behind the caller's back in order; a process that is killed loses the last moments only.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace rushes::delivery {

/// A session as it is remembered. The columns are for people and queries; `details` (JSON) is what its writer needs to
/// make the session anew.
struct CatalogueRow {
  std::string id;
  int64_t created_ms = 0;  // since 1970
  std::string state, prompt;
  int64_t width = 0, height = 0, video_frames = 0;
  double fps = 0;
  int64_t recorded_bytes = 0;
  std::string details;

  bool operator==(const CatalogueRow&) const = default;
};

class Catalogue {
 public:
  /// Opens or creates catalogue.sqlite in `directory`, and keeps the directory to this process until the end. A
  /// database that is damaged is put aside as catalogue.sqlite.damaged; of one to which nothing can be written, as the
  /// disk is full, the rows are read, and the rest waits. Throws Error(unavailable) if another process has the
  /// directory, or the rows cannot be read, Error(invalid_argument) if a newer version wrote the database.
  explicit Catalogue(const std::filesystem::path& directory);
  ~Catalogue();
  /// Waits until all is written, or has failed once more; nothing is written any more. May be called twice.
  void close();
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  /// What the process before has left, the oldest first. Before the first put() or remove().
  std::vector<CatalogueRow> rows() const;
  /// Adds a row or replaces the one of its id. Returns at once, also while another program has the database locked;
  /// what cannot be written is reported in the log and tried again.
  void put(CatalogueRow row);
  void remove(std::string id);
  /// Waits until what was put so far is written.
  void flush();
  /// Sessions whose newest rows are not yet written.
  std::size_t waiting() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::delivery
