// How this family's own clients are told a session.
#pragma once
#include "rushes/server/streaming/dialect.h"

namespace rushes::server {

/// Where the video is; then {"say": text} and {"drawn": video frames so far} as they come; then the end. Needs events.
class SketchDialect final : public Dialect {
 public:
  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;
};

}  // namespace rushes::server
