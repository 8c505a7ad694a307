#include "rushes/media/late_index.h"

#include <string_view>

#include "rushes/base/error.h"
#include "rushes/media/byte_order.h"

namespace rushes::media {

void LateIndex::require_room(uint64_t bytes) const {
  require(
      bytes <= most_bytes_, ErrorCode::too_large,
      "{} whose index ({}) comes last is kept until it is complete, at most {} MiB of it; {}, or send less at a time",
      kind_ == Kind::caf ? "a CAF file" : "an MP4 file", index(), most_bytes_ >> 20,
      kind_ == Kind::caf ? "send another format" : "put the index in front (ffmpeg -movflags +faststart)");
}

LateIndex::Order LateIndex::feed(std::span<const uint8_t> piece) {
  require_room(uint64_t{bytes_.size()} + piece.size());
  bytes_.insert(bytes_.end(), piece.begin(), piece.end());
  return kind_ == Kind::caf ? read_chunks() : read_boxes();
}

/// Apple Core Audio Format Specification 1.0: an audio description, then other chunks in any order.
LateIndex::Order LateIndex::read_chunks() {
  constexpr std::size_t kHeader = 12, kPacketBytes = 16, kPacketFrames = 20, kDescription = 32;
  constexpr uint64_t kToTheEnd = ~uint64_t{0};
  const std::span<const uint8_t> all(bytes_);
  while (next_ + kHeader <= all.size()) {
    const std::string_view type(reinterpret_cast<const char*>(all.data()) + next_, 4);
    const auto size = big_endian<uint64_t>(all, next_ + 4, 8);
    const std::size_t content = next_ + kHeader;
    if (type == "desc") {
      if (size < kDescription) return Order::index_first;
      if (content + kDescription > all.size()) break;
      const bool all_alike = big_endian<uint32_t>(all, content + kPacketBytes, 4) > 0 &&
                             big_endian<uint32_t>(all, content + kPacketFrames, 4) > 0;
      if (all_alike) return Order::index_first;
    }
    const bool is_index = type == "pakt";
    // Sound to the end of the file has no index behind it.
    if ((is_index && !has_sound_) || (type == "data" && size == kToTheEnd)) return Order::index_first;
    has_sound_ = has_sound_ || type == "data";
    require_room(size);
    require_room(content + size);
    if (is_index) return content + size <= all.size() ? Order::complete : Order::index_last;
    next_ = content + static_cast<std::size_t>(size);
  }
  return has_sound_ ? Order::index_last : Order::open;
}

/// Boxes are as in ISO/IEC 14496-12, section 4.2.
LateIndex::Order LateIndex::read_boxes() {
  constexpr std::size_t kHeader = 8, kLargeHeader = 16;
  const std::span<const uint8_t> all(bytes_);
  while (next_ + kHeader <= all.size()) {
    const std::string_view type(reinterpret_cast<const char*>(all.data()) + next_ + 4, 4);
    const bool is_index = type == "moov";
    if ((is_index && !has_sound_) || type == "moof") return Order::index_first;
    has_sound_ = has_sound_ || type == "mdat";
    uint64_t size = big_endian<uint64_t>(all, next_, 4);
    if (size == 0) break;  // to the end of the file
    if (size == 1) {
      if (next_ + kLargeHeader > all.size()) break;
      size = big_endian<uint64_t>(all, next_ + kHeader, 8);
    }
    if (size < kHeader) return Order::index_first;
    require_room(size);
    require_room(next_ + size);
    if (is_index) return next_ + size <= all.size() ? Order::complete : Order::index_last;
    next_ += size;
  }
  return has_sound_ ? Order::index_last : Order::open;
}

}  // namespace rushes::media
