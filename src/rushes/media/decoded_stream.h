// A file from outside, opened and decoded by FFmpeg: one stream of it, of a file in memory or of one that is still
// coming. Included by sources of media only.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rushes/media/libav.h"

namespace rushes::media::libav {

/// What may read the bytes, and what people call it. Everything else of FFmpeg stays out of their reach.
struct Readable {
  AVMediaType type;
  const char* what;      // "the sound"
  const char* formats;   // for people: what to send instead
  const char* codecs;    // the same of what is in them
  const char* demuxers;  // names as FFmpeg has them, joined by commas
  const char* decoders;
};

/// The best stream of its type, of a file; the first one of what is still coming. One thread.
class DecodedStream {
 public:
  /// The format is found by content. The bytes must stay. Throws Error: unsupported (nothing that `readable` lists, or
  /// no such stream), too_large (pictures of more than `max_pixels`), corrupt_data.
  DecodedStream(std::span<const uint8_t> bytes, const Readable& readable, int64_t max_pixels = 0);
  /// Of bytes that come one after the other: `more` waits for some, writes up to `wanted` of them and says how many; 0:
  /// no more will come. Reads no further than it must. `demuxer`: one of readable's. Throws as above.
  using More = std::function<int(uint8_t* target, int wanted)>;
  DecodedStream(More more, const char* demuxer, const Readable& readable);
  ~DecodedStream();
  DecodedStream(const DecodedStream&) = delete;
  DecodedStream& operator=(const DecodedStream&) = delete;

  const AVStream& stream() const noexcept { return *stream_; }
  /// Name of the container's format, as FFmpeg has it.
  std::string_view format() const noexcept { return input_->iformat->name; }
  /// Length as the file says it of itself; nothing: it does not.
  std::optional<double> told_seconds() const;
  /// The next frame, valid until the next call; null at the end. Damaged packets are left out, as players do.
  AVFrame* next();
  /// When `frame` is to be presented, in seconds since the file's first stream of any kind begins. To be asked of each
  /// frame; `expected` is when it would follow the one before it. That counts where the file does not say, and where
  /// its time stamps begin anew: after a discontinuity of a broadcast, or in files that were put behind each other.
  double seconds(const AVFrame& frame, double expected);

 private:
  struct Source {
    std::span<const uint8_t> bytes;
    int64_t position = 0;
    More more = {};
    std::string begin = {};  // the first four bytes, as far as they have been read
    int provide(uint8_t* target, int wanted);
    static int read(void* opaque, uint8_t* target, int wanted);
    static int64_t seek(void* opaque, int64_t offset, int whence);
    static int64_t tell_no_size(void* opaque, int64_t offset, int whence);
  };
  struct CloseInput {
    void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
  };

  /// FFmpeg's result.
  int open(bool seekable, const AVInputFormat* format);
  /// Of the wanted type; -1: there is none.
  int first_stream() const;
  bool is_wanted(const AVStream& stream) const;
  [[noreturn]] void refuse_codec(const AVCodecParameters& parameters) const;
  void open_decoder(AVStream& stream, int64_t max_pixels);
  void note_begin();

  Source source_;
  const Readable readable_;
  Owned<AVIOContext> io_;
  std::unique_ptr<AVFormatContext, CloseInput> input_;
  AVStream* stream_ = nullptr;
  Owned<AVCodecContext> decoder_;
  Owned<AVPacket> packet_ = owned(av_packet_alloc(), "packet");
  Owned<AVFrame> frame_ = owned(av_frame_alloc(), "frame");
  bool drained_ = false;
  bool begun_ = false;
  std::optional<double> earliest_;  // seconds, of other streams, where FFmpeg does not know it; before begun_
  double shift_ = 0;                // seconds, added to the file's time stamps
};

}  // namespace rushes::media::libav
