// Uploaded pictures and sound, decoded, and text, spoken, away from the server's thread, one after the other in the
// order of their arrival.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "rushes/audio/espeak.h"
#include "rushes/delivery/driving_file.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/image.h"
#include "rushes/server/api/imtalker/talk_request.h"
#include "rushes/server/http/background_work.h"

namespace rushes::server::imtalker {

/// The bytes are copied: the work goes on when the client has left. Throws what decoding throws, Error(unavailable) if
/// too much waits.
class Decoder {
 public:
  Decoder() : work_(256) {}

  /// `request` with the picture, and with its face where the model leaves that to us.
  net::awaitable<generation::Request> portrait(std::string_view file, generation::Request request,
                                                    std::shared_ptr<const generation::Model> model) {
    const auto whole = std::make_shared<generation::Request>(std::move(request));
    auto work = work_.run([whole, model = std::move(model), bytes = std::string(file)] {
      const media::Image image = media::decode_image(bytes_of(bytes), {.max_bytes = kMaxImageBytes});
      whole->image = Picture{image.rgb, image.height, image.width};
      delivery::find_face(*whole, *model);
      return Response();
    });
    co_await std::move(work);
    co_return std::move(*whole);
  }

  /// Throws Error(unavailable) where there is no text to speech.
  net::awaitable<media::DecodedAudio> speech(std::string text, audio::Voice voice) {
    const auto sound = std::make_shared<media::DecodedAudio>();
    auto work = work_.run([sound, text = std::move(text), voice = std::move(voice)] {
      audio::SpokenText spoken = audio::speak_text(text, voice);
      *sound = {std::move(spoken.samples), spoken.hz};
      return Response();
    });
    co_await std::move(work);
    co_return std::move(*sound);
  }

  /// `request` with the video that moves its portrait, and with faces in it where they are to be cut out and the model
  /// leaves that to us.
  net::awaitable<generation::Request> driving(std::string_view file, generation::Request request,
                                                   std::shared_ptr<const generation::Model> model) {
    const auto whole = std::make_shared<generation::Request>(std::move(request));
    auto work = work_.run([whole, model = std::move(model), bytes = media::Bytes(file.begin(), file.end())]() mutable {
      const media::VideoLimits limits{.max_bytes = kMaxVideoBytes, .max_seconds = kMaxAudioSeconds};
      delivery::drive(*whole, *model, std::make_shared<const media::Bytes>(std::move(bytes)), limits);
      return Response();
    });
    co_await std::move(work);
    co_return std::move(*whole);
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
