#include "rushes/media/fragment_reader.h"

#include <algorithm>
#include <cstring>

#include "rushes/media/libav.h"

namespace rushes::media {
namespace {

using libav::check;
using libav::Owned;

constexpr int kIoBufferBytes = 32 << 10;

/// Two pieces of memory read as one file.
struct Source {
  std::span<const uint8_t> head, tail;
  std::size_t position = 0;

  static int read(void* opaque, uint8_t* target, int wanted) {
    auto& source = *static_cast<Source*>(opaque);
    const bool in_head = source.position < source.head.size();
    const auto piece = in_head
                           ? source.head.subspan(source.position)
                           : source.tail.subspan(std::min(source.position - source.head.size(), source.tail.size()));
    const std::size_t count = std::min(piece.size(), static_cast<std::size_t>(wanted));
    if (count == 0) return AVERROR_EOF;
    std::memcpy(target, piece.data(), count);
    source.position += count;
    return static_cast<int>(count);
  }
};

/// Units that a four-byte length precedes ("avc1") as Annex B.
Bytes to_annex_b(std::span<const uint8_t> sample, const Bytes& parameter_sets, bool is_key) {
  Bytes bytes;
  bytes.reserve(sample.size() + parameter_sets.size());
  if (is_key) bytes = parameter_sets;
  while (!sample.empty()) {
    require(sample.size() >= 4, ErrorCode::corrupt_data, "MP4 fragment: a sample ends within a length");
    const std::size_t size = static_cast<std::size_t>(sample[0]) << 24 | sample[1] << 16 | sample[2] << 8 | sample[3];
    require(size <= sample.size() - 4, ErrorCode::corrupt_data,
            "MP4 fragment: a unit of {} bytes in a sample with {} left", size, sample.size() - 4);
    constexpr uint8_t kStartCode[] = {0, 0, 0, 1};
    bytes.insert(bytes.end(), std::begin(kStartCode), std::end(kStartCode));
    bytes.insert(bytes.end(), sample.begin() + 4, sample.begin() + 4 + static_cast<std::ptrdiff_t>(size));
    sample = sample.subspan(4 + size);
  }
  return bytes;
}

struct CloseInput {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
};

}  // namespace

std::vector<AccessUnit> read_fragments(const VideoTrack& track, std::span<const uint8_t> init_segment,
                                       std::span<const uint8_t> fragments, std::vector<AccessUnit>* sound) {
  libav::set_up();
  Source source{init_segment, fragments};
  auto* buffer = static_cast<uint8_t*>(av_malloc(kIoBufferBytes));
  require(buffer != nullptr, ErrorCode::exhausted, "MP4 fragment: out of memory");
  const auto io = libav::owned(avio_alloc_context(buffer, kIoBufferBytes, 0, &source, Source::read, nullptr, nullptr),
                               "MP4 fragment");
  io->seekable = 0;
  AVFormatContext* opened = avformat_alloc_context();
  require(opened != nullptr, ErrorCode::exhausted, "MP4 fragment: out of memory");
  opened->pb = io.get();
  opened->flags |= AVFMT_FLAG_CUSTOM_IO;
  check(avformat_open_input(&opened, nullptr, av_find_input_format("mov"), nullptr), "MP4 fragment",
        ErrorCode::corrupt_data);
  const std::unique_ptr<AVFormatContext, CloseInput> input(opened);
  require(input->nb_streams == 1 || input->nb_streams == 2, ErrorCode::corrupt_data,
          "MP4 fragment: {} tracks instead of one of video and perhaps one of sound", input->nb_streams);
  const auto packet = libav::owned(av_packet_alloc(), "MP4 fragment");
  std::vector<AccessUnit> units;
  while (av_read_frame(input.get(), packet.get()) >= 0) {
    const bool is_video = packet->stream_index == 0;
    av_packet_rescale_ts(packet.get(), input->streams[packet->stream_index]->time_base, {1, Pts::period::den});
    AccessUnit unit{.bytes = {},
                    .pts = Pts{packet->pts},
                    .dts = Pts{packet->dts},
                    .duration = Pts{packet->duration},
                    .is_key = (packet->flags & AV_PKT_FLAG_KEY) != 0};
    const std::span<const uint8_t> sample(packet->data, static_cast<std::size_t>(packet->size));
    unit.bytes = std::make_shared<const Bytes>(is_video && track.codec == Codec::h264
                                                   ? to_annex_b(sample, track.parameter_sets, unit.is_key)
                                                   : Bytes(sample.begin(), sample.end()));
    av_packet_unref(packet.get());
    if (is_video)
      units.push_back(std::move(unit));
    else if (sound)
      sound->push_back(std::move(unit));
  }
  require(!units.empty() || (sound && !sound->empty()), ErrorCode::corrupt_data,
          "MP4 fragment: no pictures in {} bytes", fragments.size());
  return units;
}

}  // namespace rushes::media
