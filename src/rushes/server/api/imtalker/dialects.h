// How IMTalker's clients are told a talking head: single JPEGs, or lines of JSON with some frames and their speech.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "rushes/server/streaming/pump.h"

namespace rushes::server::imtalker {

/// Frames one by one: with server-sent events in base64, "complete" or "error" last; else as bytes.
class JpegsDialect final : public Dialect {
 public:
  explicit JpegsDialect(Framing framing) : framing_(framing) {}
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

 private:
  const Framing framing_;
  int64_t video_frames_ = 0;
};

/// Of frame blocks with their pixels: lines of five frames as JPEG, the speech that belongs to them as WAV, and how
/// long they took. Encodes, so that it belongs into a WorkPool.
class JsonLinesDialect final : public Dialect {
 public:
  /// `total`: the frames that the speech will give, as the lines tell it.
  explicit JsonLinesDialect(int64_t total) : total_(total) {}
  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

 private:
  void add(const generation::FrameBlock& block, int64_t t);
  Message take(bool is_last);

  const int64_t total_;
  int64_t speech_hz_ = 0;
  double fps_ = 0;
  // What is not yet in a line:
  std::vector<std::string> jpegs_;  // base64
  std::vector<float> audio_;
  std::chrono::microseconds now_{0}, before_{0};  // of the newest block, and of that of the line before
  int64_t lines_ = 0;
};

}  // namespace rushes::server::imtalker
