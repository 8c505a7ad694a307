// Uploads of this API, read, decoded and resampled away from the server's thread, and text, spoken there.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "rushes/audio/espeak.h"
#include "rushes/audio/resample.h"
#include "rushes/ingest/driving_file.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/image.h"
#include "rushes/media/pcm.h"
#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/api/imtalker/json_body.h"
#include "rushes/server/api/imtalker/notes.h"
#include "rushes/server/api/imtalker/talk_request.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/sessions/inputs_memory.h"

namespace rushes::server::imtalker {

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// Throws what decoding throws, Error(unavailable) if too much waits, Error(exhausted) if all that is decoded takes too
/// much memory. What is handed over as a view must live until the call ends, as everything that a request has does.
class Decoder {
 public:
  /// `talks` may be null.
  Decoder(WorkPool& work, const Heads* talks) : work_(work), talks_(talks) {}

  /// Throws Refused as Form() does.
  net::awaitable<Form> form(const Request& request) {
    auto work = work_.run_if_large(request.body.size(), [&] { return Form(request); });
    co_return co_await std::move(work);
  }

  /// Throws Refused as JsonBody() does.
  net::awaitable<JsonBody> json(const Request& request) {
    auto work = work_.run_if_large(request.body.size(), [&] { return JsonBody(request); });
    co_return co_await std::move(work);
  }

  /// `request` with the picture, and with its face where the model leaves that to us.
  /// Loads the model if nobody has, and throws what that throws.
  net::awaitable<HeldRequest> portrait(std::string_view file, generation::Request request) {
    auto loading = talks_->loaded_model();
    const std::shared_ptr<const generation::Model> model = co_await std::move(loading);
    auto work = decode([&] {
      auto memory = charge(0);
      request.image = media::decode_image(bytes_of(file), model->capabilities().pictures,
                                          [&](int64_t bytes) { charge_inputs(memory, bytes); });
      charge_inputs(memory, generation::input_bytes(request));
      ingest::find_faces(request, *model);
      return HeldRequest{std::move(request), std::move(memory)};
    });
    co_return co_await std::move(work);
  }

  /// Throws Error(unavailable) where there is no text to speech.
  net::awaitable<HeldAudio> speech(std::string text, audio::Voice voice) {
    auto work = decode([&] {
      audio::SpokenText spoken = audio::speak_text(text, voice);
      return held({std::move(spoken.samples), spoken.hz});
    });
    co_return co_await std::move(work);
  }

  /// `request` with the video that moves its portrait, and with faces in it where they are to be cut out and the model
  /// leaves that to us.
  net::awaitable<HeldRequest> driving(std::string_view file, HeldRequest request,
                                      std::shared_ptr<const generation::Model> model) {
    auto work = decode([&] {
      const media::VideoLimits limits{.max_bytes = kMaxVideoBytes, .max_seconds = kMaxAudioSeconds};
      const int64_t portrait = generation::input_bytes(*request);
      ingest::drive(*request, *model, std::make_shared<const media::Bytes>(file.begin(), file.end()), limits,
                    [&](int64_t bytes) { charge_inputs(request.memory, portrait + bytes); });
      charge_inputs(request.memory, generation::input_bytes(*request));
      return true;
    });
    co_await std::move(work);
    co_return request;
  }

  net::awaitable<HeldAudio> audio(std::string_view file) {
    auto work = decode([&] {
      auto memory = charge(0);
      media::DecodedAudio audio =
          media::decode_audio(bytes_of(file), {.max_bytes = kMaxAudioBytes,
                                               .max_seconds = kMaxAudioSeconds,
                                               .max_hz = media::kMostSpeechHz,
                                               .admit = [&](int64_t bytes) { charge_inputs(memory, bytes); }});
      return HeldAudio{std::move(audio), std::move(memory)};
    });
    co_return co_await std::move(work);
  }

  /// All that is ever said, at the rate that a model listens at. Pieces would not join.
  net::awaitable<HeldAudio> whole_at_rate(HeldAudio audio, int64_t hz) {
    if (audio->hz == hz || hz == 0 || audio->samples.empty()) co_return audio;
    auto work = decode([&] {
      *audio = media::resampled(*audio, hz);
      charge_inputs(audio.memory, audio->bytes());
      return true;
    });
    co_await std::move(work);
    co_return audio;
  }

  WorkPool& work() const noexcept { return work_; }

 private:
  HeldAudio held(media::DecodedAudio audio) const {
    auto memory = charge(audio.bytes());
    return {std::move(audio), std::move(memory)};
  }
  base::MemoryBudget::Charge charge(int64_t bytes) const {
    auto memory = talks_ ? talks_->sessions().inputs().charge() : base::MemoryBudget::Charge();
    charge_inputs(memory, bytes);
    return memory;
  }
  template <typename Work>
  net::awaitable<std::invoke_result_t<Work&>> decode(Work read) {
    auto decoding = talks_ ? decode_inputs(talks_->sessions(), work_, std::move(read)) : work_.run(std::move(read));
    co_return co_await std::move(decoding);
  }

  WorkPool& work_;
  const Heads* talks_;
};

}  // namespace rushes::server::imtalker
