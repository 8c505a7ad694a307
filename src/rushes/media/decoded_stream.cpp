#include "rushes/media/decoded_stream.h"

#include <algorithm>
#include <cstring>

#include "rushes/base/interruption.h"

namespace rushes::media::libav {
namespace {

constexpr int kIoBufferBytes = 32 << 10;
constexpr int kLeastPacketBytes = 1024;                         // of WAV, that FFmpeg can be told
constexpr double kMostBackSeconds = 1, kMostAheadSeconds = 10;  // of time stamps: beyond, they begin anew

/// FFmpeg calls a format that it knows and was not allowed to read, such as a picture, an invalid argument.
void check_opened(int result, const Readable& readable) {
  require(result != AVERROR(EINVAL), ErrorCode::unsupported, "{} is in a format that is not read here; send {}",
          readable.what, readable.formats);
  require(result >= 0, ErrorCode::unsupported, "{} cannot be read ({}); send {}", readable.what, message(result),
          readable.formats);
}

/// RIFX is WAV with the most significant byte first. FFmpeg reads the numbers of its header so, but not its samples.
AVCodecID with_big_endian_samples(AVCodecID codec) {
  switch (codec) {
    case AV_CODEC_ID_PCM_S16LE: return AV_CODEC_ID_PCM_S16BE;
    case AV_CODEC_ID_PCM_S24LE: return AV_CODEC_ID_PCM_S24BE;
    case AV_CODEC_ID_PCM_S32LE: return AV_CODEC_ID_PCM_S32BE;
    case AV_CODEC_ID_PCM_F32LE: return AV_CODEC_ID_PCM_F32BE;
    case AV_CODEC_ID_PCM_F64LE: return AV_CODEC_ID_PCM_F64BE;
    default: return codec;
  }
}

}  // namespace

int DecodedStream::Source::provide(uint8_t* target, int wanted) {
  if (more) return more(target, wanted);
  const int64_t count = std::min<int64_t>(static_cast<int64_t>(bytes.size()) - position, wanted);
  if (count <= 0) return 0;
  std::memcpy(target, bytes.data() + position, static_cast<std::size_t>(count));
  position += count;
  return static_cast<int>(count);
}

int DecodedStream::Source::read(void* opaque, uint8_t* target, int wanted) {
  constexpr std::size_t kBegin = 4;
  auto& source = *static_cast<Source*>(opaque);
  const int count = source.provide(target, wanted);
  if (count <= 0) return AVERROR_EOF;
  const std::size_t missing = kBegin - source.begin.size();
  source.begin.append(reinterpret_cast<const char*>(target), std::min(missing, static_cast<std::size_t>(count)));
  return count;
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

/// Of an MP3 stream: its size is not known. Without a word about it FFmpeg takes the stream to be cut off, and the
/// padding that its Xing header tells of for sound.
int64_t DecodedStream::Source::tell_no_size(void* /*opaque*/, int64_t /*offset*/, int whence) {
  return whence == AVSEEK_SIZE ? 0 : AVERROR(ENOSYS);
}

DecodedStream::DecodedStream(std::span<const uint8_t> bytes, const Readable& readable, int64_t max_pixels)
    : source_{bytes}, readable_(readable) {
  // A fragmented MP4 that breaks off cannot be opened as a file, but read as a stream.
  int result = open(/*seekable=*/true, nullptr);
  if (result < 0) result = open(/*seekable=*/false, nullptr);
  check_opened(result, readable);
  // Nothing to find is told by the lack of a stream below.
  avformat_find_stream_info(input_.get(), nullptr);
  int index = av_find_best_stream(input_.get(), readable.type, -1, -1, nullptr, 0);
  // Of a codec that is not decoded here nothing is known if its container does not say it, and FFmpeg finds no stream
  // good: the refusal is to name it.
  if (index < 0) index = first_stream();
  require(index >= 0, ErrorCode::unsupported, "{}: the file has no {} stream; send {}", readable.what,
          av_get_media_type_string(readable.type), readable.formats);
  open_decoder(*input_->streams[index], max_pixels);
}

DecodedStream::DecodedStream(More more, const char* demuxer, const Readable& readable)
    : source_{.bytes = {}, .more = std::move(more)}, readable_(readable) {
  const int result = open(/*seekable=*/false, av_find_input_format(demuxer));
  check_opened(result, readable);
  // What a stream is can be known from its header, or from its first packet; looking ahead would hold it back.
  const auto known = std::find_if(input_->streams, input_->streams + input_->nb_streams,
                                  [&](const AVStream* stream) { return is_wanted(*stream); });
  if (known != input_->streams + input_->nb_streams) open_decoder(**known, 0);
}

int DecodedStream::first_stream() const {
  for (unsigned i = 0; i < input_->nb_streams; ++i)
    if (input_->streams[i]->codecpar->codec_type == readable_.type) return static_cast<int>(i);
  return -1;
}

bool DecodedStream::is_wanted(const AVStream& stream) const {
  return stream.codecpar->codec_type == readable_.type && stream.codecpar->codec_id != AV_CODEC_ID_NONE;
}

int DecodedStream::open(bool seekable, const AVInputFormat* format) {
  set_up();
  source_.position = 0;
  auto* buffer = static_cast<uint8_t*>(av_malloc(kIoBufferBytes));
  require(buffer != nullptr, ErrorCode::exhausted, "{}: out of memory", readable_.what);
  const bool is_mp3 = format != nullptr && std::string_view(format->name) == "mp3";
  const auto seek = !source_.more ? Source::seek : is_mp3 ? Source::tell_no_size : nullptr;
  io_ = owned(avio_alloc_context(buffer, kIoBufferBytes, 0, &source_, Source::read, nullptr, seek), readable_.what);
  if (!seekable) io_->seekable = 0;
  // FFmpeg drops what it has read already where a full read does not fit behind it; headers are read twice.
  if (source_.more) io_->max_packet_size = kLeastPacketBytes;
  AVFormatContext* opened = avformat_alloc_context();
  require(opened != nullptr, ErrorCode::exhausted, "{}: out of memory", readable_.what);
  opened->pb = io_.get();
  opened->flags |= AVFMT_FLAG_CUSTOM_IO;
  opened->format_whitelist = av_strdup(readable_.demuxers);
  opened->codec_whitelist = av_strdup(readable_.decoders);
  opened->protocol_whitelist = av_strdup("none");
  opened->max_streams = 16;
  if (source_.more) opened->max_probe_packets = 1;  // else the first 32 of a WAV file are held back, lest they be DTS
  AVDictionary* options = nullptr;
  if (source_.more) av_dict_set_int(&options, "max_size", kLeastPacketBytes, 0);
  const int result = avformat_open_input(&opened, nullptr, format, &options);
  av_dict_free(&options);
  if (result >= 0) input_.reset(opened);  // else it is freed already
  return result;
}

void DecodedStream::open_decoder(AVStream& stream, int64_t max_pixels) {
  stream_ = &stream;
  if (source_.begin == "RIFX") stream.codecpar->codec_id = with_big_endian_samples(stream.codecpar->codec_id);
  const AVCodecParameters& parameters = *stream_->codecpar;
  require(max_pixels == 0 || int64_t{parameters.width} * parameters.height <= max_pixels, ErrorCode::too_large,
          "{} has frames of {}x{}; at most {} pixels are accepted", readable_.what, parameters.width, parameters.height,
          max_pixels);
  const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
  if (codec == nullptr) refuse_codec(parameters);
  decoder_ = owned(avcodec_alloc_context3(codec), readable_.what);
  check(avcodec_parameters_to_context(decoder_.get(), &parameters), readable_.what, ErrorCode::corrupt_data);
  decoder_->codec_whitelist = av_strdup(readable_.decoders);
  decoder_->pkt_timebase = stream_->time_base;
  decoder_->thread_count = 1;
  if (max_pixels > 0) decoder_->max_pixels = max_pixels;
  if (avcodec_open2(decoder_.get(), codec, nullptr) < 0) refuse_codec(parameters);
}

void DecodedStream::refuse_codec(const AVCodecParameters& parameters) const {
  const std::string codec = parameters.codec_id == AV_CODEC_ID_NONE
                                ? fmt::format("an unknown codec (0x{:x})", parameters.codec_tag)
                                : avcodec_get_name(parameters.codec_id);
  fail(ErrorCode::unsupported, "{} is a {} file with {} inside, which is not decoded here; encode it as {}",
       readable_.what, input_->iformat->long_name, codec, readable_.codecs);
}

DecodedStream::~DecodedStream() = default;

double DecodedStream::seconds(const AVFrame& frame, double expected) {
  if (frame.best_effort_timestamp == AV_NOPTS_VALUE) return expected;
  const double told = static_cast<double>(frame.best_effort_timestamp) * av_q2d(stream_->time_base);
  if (!begun_) {
    begun_ = true;
    const bool known = input_->start_time != AV_NOPTS_VALUE;
    shift_ = known ? -static_cast<double>(input_->start_time) / AV_TIME_BASE : expected - told;
    // Matroska tells no times of decoding. Without them, and without a decoder for H.264, which is not allowed where
    // sound is read, FFmpeg does not know when the pictures begin: the file would begin with its sound, however late.
    if (known && earliest_) shift_ = std::max(shift_, -*earliest_);
  }
  const double jump = told + shift_ - expected;
  const bool may_jump = (input_->iformat->flags & AVFMT_TS_DISCONT) != 0;
  if (jump < -kMostBackSeconds || (may_jump && jump > kMostAheadSeconds)) shift_ = expected - told;
  return told + shift_;
}

/// Of the packet that was read, if its stream is one of those whose begin FFmpeg does not learn.
void DecodedStream::note_begin() {
  const AVStream& stream = *input_->streams[packet_->stream_index];
  if (&stream == stream_ || packet_->dts != AV_NOPTS_VALUE || packet_->pts == AV_NOPTS_VALUE) return;
  const double seconds = static_cast<double>(packet_->pts) * av_q2d(stream.time_base);
  earliest_ = std::min(earliest_.value_or(seconds), seconds);
}

std::optional<double> DecodedStream::told_seconds() const {
  if (input_->duration_estimation_method != AVFMT_DURATION_FROM_STREAM || stream_->duration == AV_NOPTS_VALUE)
    return std::nullopt;
  return static_cast<double>(stream_->duration) * av_q2d(stream_->time_base);
}

AVFrame* DecodedStream::next() {
  for (;;) {
    base::interruption_point();
    if (stream_ && avcodec_receive_frame(decoder_.get(), frame_.get()) >= 0) return frame_.get();
    if (drained_) return nullptr;
    const bool more = av_read_frame(input_.get(), packet_.get()) >= 0;
    if (more && !begun_) note_begin();
    if (more && !stream_) {
      AVStream& stream = *input_->streams[packet_->stream_index];
      if (is_wanted(stream)) open_decoder(stream, 0);
      // Whoever sends it would hear nothing, and not know why.
      else if (stream.codecpar->codec_type == readable_.type)
        refuse_codec(*stream.codecpar);
    }
    // A decoder that refuses a packet goes on with the next one.
    if (!more) {
      drained_ = true;
      if (!stream_ || avcodec_send_packet(decoder_.get(), nullptr) < 0) return nullptr;
    } else if (stream_ && packet_->stream_index == stream_->index) {
      avcodec_send_packet(decoder_.get(), packet_.get());
    }
    av_packet_unref(packet_.get());
  }
}

}  // namespace rushes::media::libav
