// A file that arrives in pieces and has an index, without which it cannot be heard: MP4 and QuickTime (the box moov),
// and CAF whose packets have different sizes (the chunk pakt). With its index in front it is heard as it comes. Many
// recorders and editors write the index last: such a file is kept until then.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace rushes::media {

/// The file's bytes, until it is known how to read them.
class LateIndex {
 public:
  enum class Order {
    open,         // neither index nor sound has begun
    index_first,  // or something that has none: to be read as it comes
    index_last,   // the index has not come yet, or not all of it
    complete      // it has come last
  };

  static bool may_be_needed(std::string_view demuxer) { return demuxer == "mov" || demuxer == "caf"; }
  /// `demuxer` is one of those. More than `most_bytes` are not kept.
  LateIndex(std::string_view demuxer, std::size_t most_bytes)
      : kind_(demuxer == "caf" ? Kind::caf : Kind::mp4), most_bytes_(most_bytes) {
    if (kind_ == Kind::caf) next_ = kCafHead;
  }

  /// Throws Error(too_large), also as soon as the file says that it will be.
  Order feed(std::span<const uint8_t> piece);
  const std::vector<uint8_t>& bytes() const noexcept { return bytes_; }
  std::string_view demuxer() const noexcept { return kind_ == Kind::caf ? "caf" : "mov"; }
  /// For people: the format, and the index.
  std::string_view format() const noexcept { return kind_ == Kind::caf ? "CAF" : "MP4"; }
  std::string_view index() const noexcept { return kind_ == Kind::caf ? "pakt" : "moov"; }

 private:
  enum class Kind { mp4, caf };
  static constexpr std::size_t kCafHead = 8;
  Order read_boxes();
  Order read_chunks();
  void require_room(uint64_t bytes) const;

  Kind kind_;
  std::size_t most_bytes_;
  std::vector<uint8_t> bytes_;
  std::size_t next_ = 0;  // where the next box begins; never beyond what may be kept
  bool has_sound_ = false;
};

}  // namespace rushes::media
