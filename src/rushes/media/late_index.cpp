#include "rushes/media/late_index.h"

#include <string_view>

#include "rushes/base/error.h"
#include "rushes/media/byte_order.h"

namespace rushes::media {

void LateIndex::require_room(uint64_t bytes) const {
  require(bytes <= most_bytes_, ErrorCode::too_large,
          "an MP4 file whose index (moov) comes last is kept until it is complete, at most {} MiB of it; put the index "
          "in front (ffmpeg -movflags +faststart), or send less at a time",
          most_bytes_ >> 20);
}

/// Boxes are as in ISO/IEC 14496-12, section 4.2.
LateIndex::Order LateIndex::feed(std::span<const uint8_t> piece) {
  constexpr std::size_t kHeader = 8, kLargeHeader = 16;
  require_room(uint64_t{bytes_.size()} + piece.size());
  bytes_.insert(bytes_.end(), piece.begin(), piece.end());
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
