// How vLLM-Omni's clients are told a session: each chunk of the video with what is known of it.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/server/api/vllm_omni/messages.h"
#include "rushes/server/streaming/dialect.h"

namespace rushes::server {

Json omni_error(std::string_view message);

/// video.start; then for each GOP video.chunk_metadata and its bytes, the initialisation segment before the first so
/// that each chunk is media; then session.done, or an error. Needs events and GOPs from the start.
class OmniDialect final : public Dialect {
 public:
  OmniDialect(std::string model, std::shared_ptr<PendingInteractions> pending)
      : model_(std::move(model)), pending_(std::move(pending)) {}
  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

 private:
  std::vector<Message> chunk(const delivery::Gop& gop);

  const std::string model_;
  const std::shared_ptr<PendingInteractions> pending_;
  std::string request_id_;
  std::shared_ptr<const media::Bytes> init_segment_;
  struct Block {
    std::string prompt;
    int64_t video_frames = 0;
  };
  std::deque<Block> blocks_;  // made and not yet encoded: each becomes a GOP
  int64_t first_block_ = 0;   // index of the GOP that the oldest of them becomes
  int64_t chunks_ = 0;
};

}  // namespace rushes::server
