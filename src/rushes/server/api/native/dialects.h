// How the native API tells a session: as a growing MP4, as events with or without the video in base64, as JPEGs.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "rushes/server/streaming/pump.h"

namespace rushes::server {

/// Bytes only: the initialisation segment, then a fragment for each GOP.
class Mp4Dialect final : public Dialect {
 public:
  std::vector<Message> begin(const Hosted& hosted) override { return just({hosted.video->init_segment()}); }
  std::vector<Message> on(const StreamItem& item) override {
    return just({std::get<delivery::GopPtr>(item)->fragment});
  }
};

/// The body of a video that grows while it is sent.
inline Response growing_mp4(const Hosted& hosted, delivery::EncodedStream::From from, Framing framing = Framing::mp4) {
  return streamed_response(std::make_shared<Pump>(hosted, Interest{.gops = from}, std::make_unique<Mp4Dialect>()),
                           {.framing = framing});
}

/// What a client has had already; an EventSource brings it back as Last-Event-ID when its connection was cut.
struct TextPosition {
  int64_t fragment = 0, sequence = 0;  // the next ones

  std::string text() const;
  /// Throws Error(invalid_argument) for anything but what text() gives.
  static TextPosition parse(std::string_view text);
};

/// Events as JSON; where GOPs are told too: "init" with the initialisation segment, and "fragment" with each fragment
/// in base64.
class EventsDialect final : public Dialect {
 public:
  enum class Video { none, base64 };
  explicit EventsDialect(Video video = Video::none, TextPosition position = {}) : video_(video), position_(position) {}
  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;

 private:
  Message message(Json json) const;

  const Video video_;
  TextPosition position_;
};

/// First {"type": "format", ...}. Then binary: JPEGs, before the first and after each gap {"type": "position", "index":
/// ...}; base64: {"type": "frame", "index": ..., "data": ...}.
class JpegDialect final : public Dialect {
 public:
  enum class Encoding { binary, base64 };
  explicit JpegDialect(Encoding encoding) : encoding_(encoding) {}
  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;

 private:
  const Encoding encoding_;
  std::optional<int64_t> next_;  // video frame that follows the one before
  int64_t skipped_ = 0;
};

}  // namespace rushes::server
