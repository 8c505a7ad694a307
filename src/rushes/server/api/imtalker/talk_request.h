// What IMTalker's clients send, in the words of our generator.
#pragma once
#include "rushes/server/api/imtalker/form.h"
#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/http/router.h"

namespace rushes::server::imtalker {

inline constexpr std::size_t kMaxImageBytes = 32 << 20;
inline constexpr std::size_t kMaxAudioBytes = 128 << 20;
inline constexpr double kMaxAudioSeconds = 1800;  // of one piece
inline constexpr std::size_t kMaxVideoBytes = 256 << 20;
inline constexpr std::size_t kMaxText = 4000;  // bytes that are spoken

/// nfe, cfg_scale, crop and so on of a session; `chunk_duration` where it has one. Throws Refused: 422 for fields that
/// are none, 400 for values out of range in the order that the published server checks them, 500 for styles that are no
/// JSON lists.
struct TalkFields {
  generation::Request request;
  double chunk_duration = 1.0;
  int64_t audio_sample_rate = 24'000;
  std::optional<media::Pcm> bare = {};  // how it says that speech without a header will be written
  std::optional<std::string> session_id;
  std::string_view image;
};
enum class FieldsOf { chunked, whole_file };
TalkFields read_talk_fields(Form& form, FieldsOf kind, const std::string& mode);

/// The field `face`: which of the faces in the portrait, by index or box. Throws Error(invalid_argument).
void read_face(const Form& form, generation::Request& request);
/// How the samples of a piece of speech are written, of those that are no file of sound. Throws Refused(400).
ingest::SpeechInput::Encoding read_encoding(const Form& form, const std::optional<media::Pcm>& expected);

/// The same without such fields: what is published as their defaults.
generation::Request a_talker(double chunk_seconds);
inline constexpr double kLiveChunkSeconds = 0.2;

/// Throws Refused(503) where there is no model.
void require_model(const Heads* talks);

/// What a client gets that names no session: random, in the form of a UUID of version 4.
std::string random_uuid();
/// Names become parts of paths in URLs. Throws Refused(400).
std::string checked_id(const std::string& id);

/// Routes whose refusals and errors are answered in this API's form.
void add_route(Router& router, std::string method, std::string pattern, std::function<Response(const Request&)> answer);
void add_later_route(Router& router, std::string method, std::string pattern, std::size_t max_body_bytes,
                     std::function<net::awaitable<Response>(const Request&)> answer,
                     Route::Effect effect = Route::Effect::of_method);

/// The answer that an error of ours has in this API; `before` stands in front of the message.
Response error_detail(const Error& error, std::string_view before = {});

}  // namespace rushes::server::imtalker
