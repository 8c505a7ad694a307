#include "rushes/server/api/imtalker/talk_request.h"

#include <algorithm>

#include "rushes/generation/session.h"
#include "rushes/media/frame_formats.h"

namespace rushes::server::imtalker {
namespace {

constexpr int64_t kPublishedHz = 24'000, kCombinedHz = 16'000;

/// "[1, 2, 3]": a style of N numbers.
template <std::size_t N>
void read_style(const Form& form, const char* field, Options& options) {
  const auto text = form.optional_text(field);
  if (!text || *text == "null") return;
  constexpr std::size_t kMaxStyleBytes = 1000;
  const auto values = text->size() <= kMaxStyleBytes ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
  const auto complain = [&] {
    refuse(500, fmt::format("{} must be a JSON list of {} numbers, such as [{}0] (got '{}')", field, N,
                            N == 2 ? "0," : "0,0,", text->substr(0, 64)));
  };
  if (!values.is_array() || values.size() != N) complain();
  std::vector<double> style(N);
  for (std::size_t i = 0; i < N; ++i) {
    if (!values[i].is_number()) complain();
    style[i] = values[i].get<double>();
  }
  options.set(field, std::move(style));
}

/// Nothing: the form does not say.
std::optional<media::PcmEncoding> read_format(const Form& form) {
  const auto text = form.optional_text("format");
  if (!text) return std::nullopt;
  for (const media::PcmEncoding encoding : media::kPcmEncodings)
    if (*text == name(encoding)) return encoding;
  refuse(400, "format must be s16le, s16be or f32le; omit it for audio files");
}

std::string read_mode(const Form& form, const std::string& otherwise) {
  const auto word = form.optional_text("mode");
  if (!word) return otherwise;
  if (*word != "aligned" && *word != "reference") refuse(400, "mode must be aligned or reference");
  return *word;
}

}  // namespace

void read_face(const Form& form, generation::Request& request) {
  if (const auto text = form.optional_text("face"))
    request.options.set("face", parse_option(generation::face_option(), *text));
}

ingest::SpeechInput::Encoding read_encoding(const Form& form, const std::optional<media::Pcm>& expected) {
  constexpr const char* kFile = "audio_chunk";
  media::Pcm usual = expected.value_or(media::Pcm{.hz = kPublishedHz});
  try {
    if (const auto told = media::pcm_of_media_type(form.file_type(kFile), usual)) return {.pcm = told};
  } catch (const Error& error) {
    refuse(400, error.what());
  }
  if (const auto frames = media::frame_format_of_media_type(form.file_type(kFile)); !frames.empty())
    return {.container = frames};
  if (const auto format = read_format(form)) {
    usual.encoding = *format;
    return {.pcm = usual};
  }
  if (expected) return {.pcm = expected, .guessed = true};
  // The combined server's clients send bare floats under any name but that of a WAV file.
  if (form.has("is_final") && !form.file_name(kFile).ends_with(".wav"))
    return {.pcm = media::Pcm{.encoding = media::PcmEncoding::f32le, .hz = kCombinedHz}, .guessed = true};
  return {};
}

generation::Request a_talker(double chunk_seconds) {
  generation::Request talker;
  talker.seed = 42;
  talker.options.set("chunk_duration", chunk_seconds);
  return talker;
}

void require_model(const Heads* talks) {
  if (!talks) refuse(503, "Models not loaded properly");
}

TalkFields read_talk_fields(Form& form, FieldsOf kind, const std::string& mode) {
  TalkFields fields;
  Options& talk = fields.request.options;
  fields.image = form.file("image");
  fields.session_id = form.optional_text("session_id");
  talk.set("crop", form.boolean("crop", true));
  fields.request.seed = form.seed(42);
  const int64_t nfe = form.integer("nfe", 10);
  const double cfg_scale = form.number("cfg_scale", 2.0);
  if (kind == FieldsOf::chunked) {
    fields.chunk_duration = form.number("chunk_duration", 1.0);
    fields.audio_sample_rate = form.integer("audio_sample_rate", kPublishedHz);
  } else {
    talk.set("crop_scale", form.number("crop_scale", 0.8));
  }
  form.check();
  if (nfe < 5 || nfe > 50) refuse(400, "nfe must be between 5 and 50");
  if (!(cfg_scale >= 1.0 && cfg_scale <= 5.0)) refuse(400, "cfg_scale must be between 1.0 and 5.0");
  if (!(fields.chunk_duration >= 0.1 && fields.chunk_duration <= 10.0))
    refuse(400, "chunk_duration must be between 0.1 and 10.0 seconds");
  talk.set("mode", read_mode(form, mode));
  read_style<3>(form, "pose_style", talk);
  read_style<2>(form, "gaze_style", talk);
  if (kind == FieldsOf::chunked) {
    talk.set("chunk_duration", fields.chunk_duration);
    const auto format = read_format(form);
    const media::Pcm bare{.encoding = format.value_or(media::PcmEncoding::s16le), .hz = fields.audio_sample_rate};
    if (bare.hz < media::kLeastPcmHz || bare.hz > media::kMostPcmHz)
      refuse(400, fmt::format("audio_sample_rate must be from {} to {} Hz (got {})", media::kLeastPcmHz,
                              media::kMostPcmHz, bare.hz));
    if (format || form.has("audio_sample_rate")) fields.bare = bare;
  }
  read_face(form, fields.request);
  talk.set("nfe", nfe);
  talk.set("cfg_scale", cfg_scale);
  fields.request.ignored = form.unused();
  return fields;
}

/// What a client gets that names no session: random, in the form of a UUID of version 4.
std::string random_uuid() {
  std::string hex = generation::SessionId::random().text();
  hex[12] = '4';
  hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) % 4];
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' + hex.substr(16, 4) + '-' +
         hex.substr(20);
}

/// Names become parts of paths in URLs.
std::string checked_id(const std::string& id) {
  const bool usable = !id.empty() && id.size() <= 128 && id != "." && id != ".." &&
                      std::all_of(id.begin(), id.end(),
                                  [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
  if (!usable) refuse(400, "session_id must be 1 to 128 letters, digits, '-', '_' and '.'");
  return id;
}

void add_route(Router& router, std::string method, std::string pattern,
               std::function<Response(const Request&)> answer) {
  router.answer(std::move(method), std::move(pattern), [answer = std::move(answer)](const Request& request) {
    try {
      return answer(request);
    } catch (Refused& refused) {
      return std::move(refused.response);
    } catch (const Error& error) {
      return error_detail(error);
    }
  });
}

void add_later_route(Router& router, std::string method, std::string pattern, std::size_t max_body_bytes,
                     std::function<net::awaitable<Response>(const Request&)> answer, Route::Effect effect) {
  const auto told = [answer = std::move(answer)](const Request& request) -> net::awaitable<Response> {
    std::optional<Response> wrong;
    try {
      auto answering = answer(request);
      co_return co_await std::move(answering);
    } catch (Refused& refused) {
      wrong = std::move(refused.response);
    } catch (const Error& error) {
      wrong = error_detail(error);
    }
    co_return std::move(*wrong);
  };
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.answer_later = told;
  route.max_body_bytes = max_body_bytes;
  route.effect = effect;
  router.add(std::move(route));
}

Response error_detail(const Error& error, std::string_view before) {
  // The published server answers 500 for pictures and sound that cannot be read.
  static constexpr ErrorCode kUnreadable[] = {ErrorCode::unsupported, ErrorCode::corrupt_data};
  return detail(http_status(error.code(), kUnreadable), fmt::format("{}{}", before, error.what()), retry_after(error));
}

}  // namespace rushes::server::imtalker
