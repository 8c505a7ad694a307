// Owners of FFmpeg's handles and the one translation of its errors. Included by sources of media only.
#pragma once
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rushes/base/error.h"

namespace rushes::media::libav {

struct Free {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(SwsContext* p) const { sws_freeContext(p); }
  void operator()(AVFormatContext* p) const { avformat_free_context(p); }  // its pb is owned apart
  void operator()(AVIOContext* p) const {
    av_freep(&p->buffer);
    avio_context_free(&p);
  }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

/// Sends FFmpeg's log lines to ours, as debug lines, and bounds what a file that lies can make it allocate at a time.
/// Called by whatever opens a codec or a container; any thread.
void set_up();

inline std::string message(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

/// Result of a libav call; negative ones become Error(code) "`what`: reason".
inline int check(int result, const char* what, ErrorCode code = ErrorCode::internal) {
  if (result < 0) [[unlikely]]
    fail(code, "{}: {}", what, message(result));
  return result;
}

template <typename T>
Owned<T> owned(T* pointer, const char* what) {
  require(pointer != nullptr, ErrorCode::exhausted, "{}: out of memory", what);
  return Owned<T>(pointer);
}

/// A picture that swscale may read: its vector code looks some bytes past the end, where another's page may begin.
class ReadableImage {
 public:
  explicit ReadableImage(std::size_t size) : size_(size), bytes_(size + AV_INPUT_BUFFER_PADDING_SIZE) {}
  /// Valid until the next call.
  const uint8_t* copy(const uint8_t* picture) {
    std::copy_n(picture, size_, bytes_.begin());
    return bytes_.data();
  }

 private:
  std::size_t size_;
  std::vector<uint8_t> bytes_;
};

}  // namespace rushes::media::libav
