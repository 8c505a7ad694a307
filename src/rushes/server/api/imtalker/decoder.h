// Uploaded pictures and sound, decoded, and text, spoken, away from the server's thread, one after the other in the
// order of their arrival.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/audio/espeak.h"
#include "rushes/delivery/driving_file.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/face_finder.h"
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
  net::awaitable<generation::VideoRequest> portrait(std::string_view file, generation::VideoRequest request,
                                                    std::shared_ptr<const generation::Model> model) {
    const auto whole = std::make_shared<generation::VideoRequest>(std::move(request));
    auto work = work_.run([whole, model = std::move(model), bytes = std::string(file)] {
      const media::Image image = media::decode_image(bytes_of(bytes), {.max_bytes = kMaxImageBytes});
      whole->image = generation::VideoRequest::Image{image.rgb, image.height, image.width};
      if (!model->finds_faces()) whole->talk->face = face_of(image, *whole, *model);
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
  net::awaitable<generation::VideoRequest> driving(std::string_view file, generation::VideoRequest request,
                                                   std::shared_ptr<const generation::Model> model) {
    const auto whole = std::make_shared<generation::VideoRequest>(std::move(request));
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
  static std::optional<std::array<double, 4>> face_of(const media::Image& image, generation::VideoRequest request,
                                                      const generation::Model& model) {
    generation::TalkOptions& talk = *request.talk;
    // The published server takes the middle where it sees no face.
    const bool must_show_one = talk.crop && talk.mode == generation::TalkOptions::Mode::aligned;
    talk.crop = true;
    const int64_t side = model.plan(request).width;
    const auto face = media::face_of_portrait(image, side, must_show_one ? media::Crop::yes : media::Crop::no);
    if (!face) return std::nullopt;
    return std::array<double, 4>{face->x1, face->y1, face->x2, face->y2};
  }
  static std::span<const uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  }

  BackgroundWork work_;
};

}  // namespace rushes::server::imtalker
