// Who sends within one WebRTC connection. Each source of RTP (SSRC) costs its receiver a decryption context, a jitter
// buffer and a thread, so that of a peer that invents them all but the first few are dropped.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace rushes::media {

/// The source that a packet names, encrypted or not; nothing: it is neither RTP nor RTCP. Source: RFC 3550, 5.1 and
/// 6.4; RFC 5761, 4; RFC 7983.
inline std::optional<uint32_t> source_of(std::span<const uint8_t> packet) {
  if (packet.size() < 2 || packet[0] < 128 || packet[0] > 191) return std::nullopt;
  const bool is_rtcp = packet[1] >= 192 && packet[1] <= 223;
  const std::size_t at = is_rtcp ? 4 : 8;
  if (packet.size() < at + 4) return std::nullopt;
  uint32_t source = 0;
  for (std::size_t i = at; i < at + 4; ++i) source = source << 8 | packet[i];
  return source;
}

/// Of one connection. Any thread.
class RtpSources {
 public:
  RtpSources(std::size_t most, std::shared_ptr<std::atomic<int64_t>> dropped)
      : most_(most), dropped_(std::move(dropped)) {}

  /// False, and it is counted: it comes from one source too many, or is too short to name one.
  bool takes(std::span<const uint8_t> packet) {
    const bool is_rtp = packet.size() >= 2 && packet[0] >= 128 && packet[0] <= 191;
    if (!is_rtp) return true;
    const auto source = source_of(packet);
    const std::scoped_lock lock(mutex_);
    if (source && std::find(known_.begin(), known_.end(), *source) != known_.end()) return true;
    if (source && known_.size() < most_) {
      known_.push_back(*source);
      return true;
    }
    if (dropped_) ++*dropped_;
    return false;
  }

 private:
  const std::size_t most_;
  const std::shared_ptr<std::atomic<int64_t>> dropped_;
  std::mutex mutex_;
  std::vector<uint32_t> known_;
};

}  // namespace rushes::media
