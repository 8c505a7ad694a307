// For tests: pictures whose content tells their number, and FFmpeg's own reading of what media wrote.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "rushes/media/access_unit.h"
#include "rushes/media/libav.h"

namespace rushes::media {

/// [H, W, 3] of one colour that differs from frame to frame by more than coding errors.
inline Bytes test_frame(int64_t width, int64_t height, int64_t index) {
  Bytes rgb(static_cast<std::size_t>(width * height * 3));
  const uint8_t colour[3] = {static_cast<uint8_t>(40 + index % 8 * 24), static_cast<uint8_t>(200 - index / 8 % 8 * 24),
                             90};
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = colour[i % 3];
  return rgb;
}

struct DecodedFrame {
  double seconds = 0;
  bool is_key = false;
  int width = 0, height = 0;
  AVColorSpace matrix = AVCOL_SPC_UNSPECIFIED;
  Bytes rgb;  // [H, W, 3]
};

inline Bytes frame_to_rgb(const AVFrame& frame) {
  const libav::Owned<SwsContext> convert(
      sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format), frame.width, frame.height,
                     AV_PIX_FMT_RGB24, SWS_BILINEAR | SWS_ACCURATE_RND, nullptr, nullptr, nullptr));
  const int* matrix = sws_getCoefficients(frame.colorspace == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
  sws_setColorspaceDetails(convert.get(), matrix, frame.color_range == AVCOL_RANGE_JPEG, matrix, 1, 0, 1 << 16,
                           1 << 16);
  Bytes rgb(static_cast<std::size_t>(frame.width) * frame.height * 3 + 64);
  uint8_t* data = rgb.data();
  const int stride = frame.width * 3;
  sws_scale(convert.get(), frame.data, frame.linesize, 0, frame.height, &data, &stride);
  rgb.resize(rgb.size() - 64);
  return rgb;
}

/// All frames of a file, as FFmpeg demuxes and decodes it.
inline std::vector<DecodedFrame> decode_video(const std::filesystem::path& path) {
  AVFormatContext* opened = nullptr;
  libav::check(avformat_open_input(&opened, path.c_str(), nullptr, nullptr), "open");
  const std::unique_ptr<AVFormatContext, void (*)(AVFormatContext*)> input(
      opened, [](AVFormatContext* p) { avformat_close_input(&p); });
  libav::check(avformat_find_stream_info(input.get(), nullptr), "find streams");
  const AVStream& stream = *input->streams[0];
  const auto context = libav::owned(avcodec_alloc_context3(avcodec_find_decoder(stream.codecpar->codec_id)), "decoder");
  libav::check(avcodec_parameters_to_context(context.get(), stream.codecpar), "decoder");
  context->thread_count = 1;
  libav::check(avcodec_open2(context.get(), nullptr, nullptr), "decoder");
  const auto packet = libav::owned(av_packet_alloc(), "packet");
  const auto frame = libav::owned(av_frame_alloc(), "frame");
  std::vector<DecodedFrame> frames;
  const auto receive = [&] {
    while (avcodec_receive_frame(context.get(), frame.get()) >= 0)
      frames.push_back({frame->pts * av_q2d(stream.time_base), frame->key_frame != 0, frame->width, frame->height,
                        frame->colorspace, frame_to_rgb(*frame)});
  };
  while (av_read_frame(input.get(), packet.get()) >= 0) {
    avcodec_send_packet(context.get(), packet.get());  // what fails is missing from the frames
    av_packet_unref(packet.get());
    receive();
  }
  avcodec_send_packet(context.get(), nullptr);
  receive();
  return frames;
}

/// The same for bytes; the name's ending helps FFmpeg to recognise the format.
inline std::vector<DecodedFrame> decode_bytes(const std::string& name, const Bytes& bytes) {
  const auto path = std::filesystem::temp_directory_path() / (std::to_string(getpid()) + "_" + name);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  auto frames = decode_video(path);
  std::filesystem::remove(path);
  return frames;
}

}  // namespace rushes::media
