// What Ditto's clients say, parsed, and what they are told, as the wire has it. Plain values: no socket, no clock.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/options.h"
#include "rushes/server/http/http.h"

namespace rushes::server::ditto {

struct ClientMessage {
  enum class Type { start, stop, ping, set_options, unknown } type;
  nlohmann::json fields;  // the whole object
};

/// Throws Error(invalid_argument) for what is no JSON object. A type that nobody knows is no mistake.
ClientMessage parse_client_message(std::string_view text);

struct Start {
  std::string audio_path = "./example/audio.wav", source_path = "./example/image.png";
  nlohmann::json setup_kwargs = nlohmann::json::object(), run_kwargs = nlohmann::json::object();
  bool binary = false;    // frames as binary messages
  bool audio = false;     // each frame with its speech
  bool realtime = false;  // each frame at its time; else as soon as it is made
};
/// Of start_streaming. Throws Error(invalid_argument) naming a field of another type.
Start parse_start(const nlohmann::json& fields);
/// The options that its setup_kwargs and run_kwargs name, of a model with these. Not checked, but for names in
/// run_kwargs. Throws Error(invalid_argument).
Options options_of(const Start& start, std::span<const OptionField> fields);

/// Speech comes by itself, piece by piece: no file.
inline constexpr std::string_view kLiveAudio = "live:";
/// The file itself, in base64.
constexpr bool is_data(std::string_view path) { return path.starts_with("data:"); }
/// A path as messages repeat it: of data only what it is.
std::string shown_path(std::string_view path);

/// ceil(samples / 16000 * 25).
int64_t expected_frames(int64_t samples);

// `now`: seconds since 1970.
Json streaming_started(const Start& start, double now);
struct Speech {
  double seconds = 0;
  int64_t frames = 0;
};
/// Without speech its length is not known. The session's id is for everything else that the server offers.
Json metadata(std::optional<Speech> speech, std::string_view session, double now);
Json streaming_completed(double now);
Json writer_closed(int64_t frames, double now);
Json streaming_stopped(double now);
Json pong(double now);
Json options_set(const Options& options, double now);
Json error(std::string_view message);

struct Frame {
  int64_t id = 0;
  std::span<const uint8_t> jpeg;
  std::optional<std::string> audio = {};  // as pcm16_base64()
};
Json frame_message(const Frame& frame, double now);
/// Before the binary message of the same frame.
Json audio_message(const Frame& frame, double now);
/// Big-endian: uint32 id, float64 time, uint32 length; then the JPEG.
std::vector<uint8_t> binary_frame(const Frame& frame, double now);
/// Little-endian samples in base64.
std::string pcm16_base64(std::span<const float> samples);

}  // namespace rushes::server::ditto
