// An MP4 or QuickTime file that arrives in pieces. With its index (the box moov) in front it is heard as it comes. Many
// recorders and editors write the index last: such a file is kept until then.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rushes::media {

/// The file's bytes, until it is known how to read them.
class LateIndex {
 public:
  enum class Order {
    open,         // neither index nor sound has begun
    index_first,  // or something that is no such file: to be read as it comes
    index_last,   // the index has not come yet, or not all of it
    complete      // it has come last
  };

  /// More than `most_bytes` are not kept.
  explicit LateIndex(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  /// Throws Error(too_large), also as soon as the file says that it will be.
  Order feed(std::span<const uint8_t> piece);
  const std::vector<uint8_t>& bytes() const noexcept { return bytes_; }

 private:
  void require_room(uint64_t bytes) const;

  std::size_t most_bytes_;
  std::vector<uint8_t> bytes_;
  std::size_t next_ = 0;  // where the next box begins; never beyond what may be kept
  bool has_sound_ = false;
};

}  // namespace rushes::media
