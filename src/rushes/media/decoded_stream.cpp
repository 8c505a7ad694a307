#include "rushes/media/decoded_stream.h"

#include <cstring>

#include "rushes/base/interruption.h"

namespace rushes::media::libav {
namespace {

constexpr int kIoBufferBytes = 32 << 10;

}  // namespace

int DecodedStream::Source::read(void* opaque, uint8_t* target, int wanted) {
  auto& source = *static_cast<Source*>(opaque);
  const int64_t left = static_cast<int64_t>(source.bytes.size()) - source.position;
  const int64_t count = std::min<int64_t>(left, wanted);
  if (count <= 0) return AVERROR_EOF;
  std::memcpy(target, source.bytes.data() + source.position, static_cast<std::size_t>(count));
  source.position += count;
  return static_cast<int>(count);
}

int64_t DecodedStream::Source::seek(void* opaque, int64_t offset, int whence) {
  auto& source = *static_cast<Source*>(opaque);
  const auto size = static_cast<int64_t>(source.bytes.size());
  if (whence == AVSEEK_SIZE) return size;
  const int64_t to = (whence & ~AVSEEK_FORCE) == SEEK_CUR   ? source.position + offset
                     : (whence & ~AVSEEK_FORCE) == SEEK_END ? size + offset
                                                            : offset;
  if (to < 0 || to > size) return AVERROR(EINVAL);
  return source.position = to;
}

DecodedStream::DecodedStream(std::span<const uint8_t> bytes, const Readable& readable, int64_t max_pixels)
    : source_{bytes} {
  set_up();
  // A fragmented MP4 that breaks off cannot be opened as a file, but read as a stream.
  int result = open(readable, /*seekable=*/true);
  if (result < 0) result = open(readable, /*seekable=*/false);
  require(result >= 0, ErrorCode::unsupported, "{} cannot be read ({}); send {}", readable.what, message(result),
          readable.formats);
  // Nothing to find is told by the lack of a stream below.
  avformat_find_stream_info(input_.get(), nullptr);
  open_decoder(readable, max_pixels);
}

int DecodedStream::open(const Readable& readable, bool seekable) {
  source_.position = 0;
  auto* buffer = static_cast<uint8_t*>(av_malloc(kIoBufferBytes));
  require(buffer != nullptr, ErrorCode::exhausted, "{}: out of memory", readable.what);
  io_ = owned(avio_alloc_context(buffer, kIoBufferBytes, 0, &source_, Source::read, nullptr, Source::seek),
              readable.what);
  if (!seekable) io_->seekable = 0;
  AVFormatContext* opened = avformat_alloc_context();
  require(opened != nullptr, ErrorCode::exhausted, "{}: out of memory", readable.what);
  opened->pb = io_.get();
  opened->flags |= AVFMT_FLAG_CUSTOM_IO;
  opened->format_whitelist = av_strdup(readable.demuxers);
  opened->codec_whitelist = av_strdup(readable.decoders);
  opened->protocol_whitelist = av_strdup("none");
  opened->max_streams = 16;
  const int result = avformat_open_input(&opened, nullptr, nullptr, nullptr);
  if (result >= 0) input_.reset(opened);  // else it is freed already
  return result;
}

void DecodedStream::open_decoder(const Readable& readable, int64_t max_pixels) {
  const int index = av_find_best_stream(input_.get(), readable.type, -1, -1, nullptr, 0);
  require(index >= 0, ErrorCode::unsupported, "{}: the file has no stream of this kind that can be read; send {}",
          readable.what, readable.formats);
  stream_ = input_->streams[index];
  const AVCodecParameters& parameters = *stream_->codecpar;
  require(max_pixels == 0 || int64_t{parameters.width} * parameters.height <= max_pixels, ErrorCode::too_large,
          "{} has frames of {}x{}; at most {} pixels are accepted", readable.what, parameters.width, parameters.height,
          max_pixels);
  const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
  require(codec != nullptr, ErrorCode::unsupported, "{} is encoded as {}, which is not supported; send {}",
          readable.what, avcodec_get_name(parameters.codec_id), readable.formats);
  decoder_ = owned(avcodec_alloc_context3(codec), readable.what);
  check(avcodec_parameters_to_context(decoder_.get(), &parameters), readable.what, ErrorCode::corrupt_data);
  decoder_->codec_whitelist = av_strdup(readable.decoders);
  decoder_->pkt_timebase = stream_->time_base;
  decoder_->thread_count = 1;
  if (max_pixels > 0) decoder_->max_pixels = max_pixels;
  require(avcodec_open2(decoder_.get(), codec, nullptr) >= 0, ErrorCode::unsupported,
          "{} is encoded as {}, which cannot be decoded here; send {}", readable.what,
          avcodec_get_name(parameters.codec_id), readable.formats);
  packet_ = owned(av_packet_alloc(), readable.what);
  frame_ = owned(av_frame_alloc(), readable.what);
}

DecodedStream::~DecodedStream() = default;

AVFrame* DecodedStream::next() {
  for (;;) {
    base::interruption_point();
    if (avcodec_receive_frame(decoder_.get(), frame_.get()) >= 0) return frame_.get();
    if (drained_) return nullptr;
    const bool more = av_read_frame(input_.get(), packet_.get()) >= 0;
    // A decoder that refuses a packet goes on with the next one.
    if (!more) {
      drained_ = true;
      if (avcodec_send_packet(decoder_.get(), nullptr) < 0) return nullptr;
    } else if (packet_->stream_index == stream_->index) {
      avcodec_send_packet(decoder_.get(), packet_.get());
    }
    av_packet_unref(packet_.get());
  }
}

}  // namespace rushes::media::libav
