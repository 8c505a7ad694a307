// The sessions that this server knows, each with its encoded stream; made, found and removed here, within limits.
// The server's thread only.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rushes/delivery/encoded_stream.h"
#include "rushes/delivery/outlets.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/session.h"

namespace rushes::server {

struct SessionLimits {
  int64_t max_running = 16;  // sessions that have not ended; more get 429
  int64_t max_kept = 64;     // with those that have ended; the oldest of them go first
  int64_t max_recording_bytes = int64_t{4} << 30;
  int64_t max_data_bytes = int64_t{16} << 30;  // all recordings together
};

/// What a session was made from.
struct Origin {
  enum class Kind { remix, fork } kind;
  generation::SessionId session;
};

/// What a request has in hand while it works with a session; the session may be deleted meanwhile.
struct Entry {
  std::shared_ptr<generation::Session> session;
  std::shared_ptr<delivery::EncodedStream> video;
  std::shared_ptr<delivery::Outlets> outlets;
  std::optional<Origin> origin = {};
};

class SessionTable {
 public:
  /// Creates the data directory, and removes the oldest recordings there if they need more than the limit.
  SessionTable(std::shared_ptr<const generation::Model> model, SessionLimits limits,
               std::filesystem::path data_directory);
  /// Stops what still runs, and waits until every recording is complete.
  ~SessionTable();
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  /// Starts a generation. Throws what the model has against the request, Error(exhausted) at the limit,
  /// Error(unavailable) while the server shuts down.
  Entry create(generation::VideoRequest request, std::optional<Origin> origin = {});
  /// A session that goes on from the next block border of another one, whose video so far it begins with: nothing is
  /// made or encoded twice. `prompt` takes effect at once. Throws Error(not_found), Error(conflict) when the other has
  /// ended, and as create().
  Entry fork(const generation::SessionId& id, std::optional<std::string> prompt);
  /// Throws Error(not_found).
  const Entry& find(const generation::SessionId& id) const;
  /// Stops the session, and removes it and its recording. Throws Error(not_found).
  void remove(const generation::SessionId& id);
  /// In the order of their creation.
  const std::vector<Entry>& all() const noexcept { return entries_; }

  /// No new sessions; those that run are stopped.
  void drain();
  bool draining() const noexcept { return draining_; }

  const generation::Model& model() const noexcept { return *model_; }
  const SessionLimits& limits() const noexcept { return limits_; }
  int64_t running() const;
  int64_t created() const noexcept { return created_; }
  /// Of all sessions since the start, those that are gone included.
  struct Totals {
    int64_t encoded_bytes = 0, skipped_fragments = 0;
    std::chrono::microseconds encode_time{0};
    void add(const delivery::EncodedStream::Status& video);
  };
  Totals totals() const;
  generation::DeviceWorker::Status worker_status() const { return worker_->status(); }

 private:
  std::vector<Entry>::const_iterator position(const generation::SessionId& id) const;
  Entry enter(generation::VideoRequest request, const generation::VideoFormat& format, std::optional<Origin> origin,
              std::shared_ptr<delivery::EncodedStream> origin_video);
  void require_room() const;
  void make_room();
  void prune() const;

  const std::shared_ptr<const generation::Model> model_;
  const SessionLimits limits_;
  const std::filesystem::path data_directory_;
  std::vector<Entry> entries_;
  std::vector<Entry> ending_;  // removed sessions: their threads are waited for
  int64_t created_ = 0;
  Totals removed_;
  bool draining_ = false;
  std::unique_ptr<generation::DeviceWorker> worker_;
};

}  // namespace rushes::server
