// How Ditto's clients are told a session: frame by frame, each as soon as it is made.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rushes/server/streaming/dialect.h"

namespace rushes::server::ditto {

inline constexpr int kJpegQuality = 80;  // as published

/// A frame or more a block; in the end streaming_completed and writer_closed, or the error. Needs events with their
/// pixels, and encodes them: to be called where work may take its time.
class FramesDialect final : public Dialect {
 public:
  struct How {
    bool binary = false, audio = false;
    std::function<double()> now;                           // seconds since 1970
    std::shared_ptr<const std::atomic<int>> quality = {};  // of the JPEGs from now on; null: kJpegQuality
  };
  explicit FramesDialect(How how) : how_(std::move(how)) {}
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

 private:
  const How how_;
  int64_t frames_ = 0;
  std::string reason_;  // why it was stopped
};

/// Of a queue with this many of its places taken: lower when a client reads too slowly for its connection.
constexpr int quality_at(std::size_t waiting, std::size_t places) {
  return 10 * waiting > 6 * places ? kJpegQuality - 20 : 10 * waiting > 3 * places ? kJpegQuality - 10 : kJpegQuality;
}

}  // namespace rushes::server::ditto
