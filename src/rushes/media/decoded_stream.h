// A file in memory from outside, opened and decoded by FFmpeg: one stream of it. Included by sources of media only.
#pragma once
#include <span>

#include "rushes/media/libav.h"

namespace rushes::media::libav {

/// What may read the bytes, and what people call it. Everything else of FFmpeg stays out of their reach.
struct Readable {
  AVMediaType type;
  const char* what;      // "the sound"
  const char* formats;   // for people: what to send instead
  const char* demuxers;  // names as FFmpeg has them, joined by commas
  const char* decoders;
};

/// The best stream of its type. One thread.
class DecodedStream {
 public:
  /// The format is found by content. The bytes must stay. Throws Error: unsupported (nothing that `readable` lists, or
  /// no such stream), too_large (pictures of more than `max_pixels`), corrupt_data.
  DecodedStream(std::span<const uint8_t> bytes, const Readable& readable, int64_t max_pixels = 0);
  ~DecodedStream();
  DecodedStream(const DecodedStream&) = delete;
  DecodedStream& operator=(const DecodedStream&) = delete;

  const AVStream& stream() const noexcept { return *stream_; }
  /// The next frame, valid until the next call; null at the end. Damaged packets are left out, as players do.
  AVFrame* next();

 private:
  struct Source {
    std::span<const uint8_t> bytes;
    int64_t position = 0;
    static int read(void* opaque, uint8_t* target, int wanted);
    static int64_t seek(void* opaque, int64_t offset, int whence);
  };
  struct CloseInput {
    void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
  };

  /// FFmpeg's result.
  int open(const Readable& readable, bool seekable);
  void open_decoder(const Readable& readable, int64_t max_pixels);

  Source source_;
  Owned<AVIOContext> io_;
  std::unique_ptr<AVFormatContext, CloseInput> input_;
  AVStream* stream_ = nullptr;
  Owned<AVCodecContext> decoder_;
  Owned<AVPacket> packet_;
  Owned<AVFrame> frame_;
  bool drained_ = false;
};

}  // namespace rushes::media::libav
