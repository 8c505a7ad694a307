#include "rushes/audio/espeak.h"

#include <dlfcn.h>

#include <cstring>
#include <mutex>
#include <type_traits>

#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

/// The part of espeak-ng's interface (speak_lib.h, revision 12) that is used here.
class Espeak {
 public:
  static Espeak& instance() {
    static Espeak espeak;
    return espeak;
  }

  SpokenText speak(const std::string& text, const Voice& voice) {
    const std::lock_guard lock(mutex_);
    spoken() = {.samples = {}, .hz = hz_, .phonemes = {}};
    require(set_voice_(voice.name.c_str()) == 0, ErrorCode::not_found, "espeak-ng has no voice '{}'", voice.name);
    set_parameter_(kRate, voice.words_per_minute, 0);
    set_parameter_(kPitch, voice.pitch, 0);
    set_parameter_(kRange, voice.pitch_range, 0);
    synth_(text.c_str(), text.size() + 1, 0, /*POS_CHARACTER*/ 1, 0, /*espeakCHARS_UTF8*/ 1, nullptr, nullptr);
    synchronize_();
    return std::move(spoken());
  }

 private:
  struct Event {  // espeak_EVENT
    int type;
    unsigned int unique_identifier;
    int text_position, length, audio_position, sample;
    void* user_data;
    union {
      int number;
      const char* name;
      char string[8];
    } id;
  };
  static constexpr int kRate = 1, kPitch = 3, kRange = 4;  // espeak_PARAMETER
  static constexpr int kPhonemeEvent = 7;

  Espeak() {
    void* library = dlopen("libespeak-ng.so.1", RTLD_NOW | RTLD_LOCAL);
    require(library != nullptr, ErrorCode::unavailable,
            "text-to-speech needs espeak-ng's library (libespeak-ng.so.1): install the packages libespeak-ng1 and "
            "espeak-ng-data");
    const auto take = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      require(function != nullptr, ErrorCode::unavailable, "libespeak-ng.so.1 does not have the function {}", name);
    };
    int (*initialize)(int, int, const char*, int) = nullptr;
    void (*set_callback)(int (*)(short*, int, Event*)) = nullptr;
    take(initialize, "espeak_Initialize");
    take(set_callback, "espeak_SetSynthCallback");
    take(set_voice_, "espeak_SetVoiceByName");
    take(set_parameter_, "espeak_SetParameter");
    take(synth_, "espeak_Synth");
    take(synchronize_, "espeak_Synchronize");
    hz_ = initialize(/*AUDIO_OUTPUT_SYNCHRONOUS*/ 2, 0, nullptr,
                     /*phoneme events, and return instead of exit*/ 1 | 0x8000);
    require(hz_ > 0, ErrorCode::unavailable, "espeak-ng cannot find its voices: install the package espeak-ng-data");
    set_callback(&Espeak::collect);
  }

  static SpokenText& spoken() {
    static SpokenText spoken;
    return spoken;
  }

  static int collect(short* samples, int count, Event* event) {
    for (int i = 0; samples != nullptr && i < count; ++i)
      spoken().samples.push_back(static_cast<float>(samples[i]) / 32768.0f);
    for (; event->type != 0; ++event)
      if (event->type == kPhonemeEvent)
        spoken().phonemes.push_back({static_cast<double>(event->sample) / static_cast<double>(spoken().hz),
                                     std::string(event->id.string, strnlen(event->id.string, 8))});
    return 0;
  }

  std::mutex mutex_;
  int64_t hz_ = 0;
  int (*set_voice_)(const char*) = nullptr;
  int (*set_parameter_)(int, int, int) = nullptr;
  int (*synth_)(const void*, std::size_t, unsigned int, int, unsigned int, unsigned int, unsigned int*,
                void*) = nullptr;
  int (*synchronize_)() = nullptr;
};

}  // namespace

SpokenText speak_text(const std::string& text, const Voice& voice) { return Espeak::instance().speak(text, voice); }

}  // namespace rushes::audio
