// Uploaded pictures and sound, decoded away from the server's thread, one after the other in the order of their
// arrival.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "rushes/media/audio_decoder.h"
#include "rushes/media/image.h"
#include "rushes/server/api/imtalker/talk_request.h"
#include "rushes/server/background_work.h"

namespace rushes::server::imtalker {

/// The bytes are copied: the work goes on when the client has left. Throws what decoding throws, Error(unavailable) if
/// too much waits.
class Decoder {
 public:
  Decoder() : work_(256) {}

  net::awaitable<generation::VideoRequest::Image> image(std::string_view file) {
    const auto image = std::make_shared<media::Image>();
    auto work = work_.run([image, bytes = std::string(file)] {
      *image = media::decode_image(bytes_of(bytes), {.max_bytes = kMaxImageBytes});
      return Response();
    });
    co_await std::move(work);
    co_return generation::VideoRequest::Image{image->rgb, image->height, image->width};
  }

  net::awaitable<media::DecodedAudio> sound(std::string_view file) {
    const auto sound = std::make_shared<media::DecodedAudio>();
    auto work = work_.run([sound, bytes = std::string(file)] {
      *sound = media::decode_audio(bytes_of(bytes), {.max_bytes = kMaxAudioBytes, .max_seconds = kMaxAudioSeconds});
      return Response();
    });
    co_await std::move(work);
    co_return std::move(*sound);
  }

 private:
  static std::span<const uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  }

  BackgroundWork work_;
};

}  // namespace rushes::server::imtalker
