// The boxes of an MP4 file (ISO/IEC 14496-12), read with every length checked. Included by sources of media only.
#pragma once
#include <cstdint>
#include <span>

#include "rushes/base/error.h"

namespace rushes::media::mp4 {

using View = std::span<const uint8_t>;

constexpr uint32_t four(const char (&name)[5]) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(name[i]);
  return value;
}

/// Reads big-endian numbers off the front. Throws Error(corrupt_data) at the end.
class Fields {
 public:
  explicit Fields(View data) : data_(data) {}
  uint64_t take(std::size_t bytes) {
    uint64_t value = 0;
    for (const uint8_t byte : view(bytes)) value = value << 8 | byte;
    return value;
  }
  uint32_t u32() { return static_cast<uint32_t>(take(4)); }
  View view(std::size_t bytes) {
    require(bytes <= data_.size(), ErrorCode::corrupt_data, "a box of the recording ends within a field");
    const View front = data_.first(bytes);
    data_ = data_.subspan(bytes);
    return front;
  }
  View rest() const { return data_; }

 private:
  View data_;
};

/// `visit` gets the type and the content of each box within `data`.
template <typename Visit>
void each_box(View data, Visit visit) {
  for (Fields fields(data); !fields.rest().empty();) {
    const uint32_t size = fields.u32(), type = fields.u32();
    require(size >= 8, ErrorCode::corrupt_data, "a box of the recording has an impossible size of {} bytes", size);
    visit(type, fields.view(size - 8));
  }
}

}  // namespace rushes::media::mp4
