// What OmniAvatar's clients ask for, by HTTP or Socket.IO, and the text that they are told it in: JSON as Python writes
// it. Plain functions.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rushes/generation/model.h"
#include "rushes/server/http/http.h"

namespace rushes::server::omniavatar {

/// Files are empty where there is none.
struct AvatarRequest {
  std::string prompt, audio, image;
  std::optional<int64_t> height = {}, width = {}, steps = {};
  std::optional<uint64_t> seed = {};
  std::optional<double> guidance_scale = {}, audio_scale = {};
  std::optional<std::string> negative_prompt = {}, fit = {};
  bool with_sound = true;   // the video has the speech too
  bool is_decoded = false;  // else the files are as they were sent, in base64
};

/// Decodes its files, unless they are. Throws as decode_lenient_base64().
void decode_files(AvatarRequest& wanted);

/// As the published server writes it: names in order, compact, in ASCII, a line.
Response json_answer(int status, const nlohmann::json& object);
/// The answer to a request that is refused before anything begins: {"error": ...}.
inline Response error_answer(int status, std::string_view error) { return json_answer(status, {{"error", error}}); }
/// Puts a refusal of this server's own into that form; its headers stay.
void reword(Response& refusal);

/// A body of /generate-stream and the like. Fields that nobody knows are passed over, as are those that are null; large
/// strings are moved out of it. Throws Error(invalid_argument): no JSON object, no prompt, a field of another type;
/// with the published server's words where it has some.
AvatarRequest read_request(std::string_view body);

/// What generate_streaming_base64 says. Throws Error(invalid_argument).
AvatarRequest read_event(Json fields);

/// Fields of the session's request, and options of the model that has them. What is said and has no effect is noted:
/// sides beside an image, and the 720x720 that the published clients send without being told to, to a model of one
/// size.
void put_numbers(const AvatarRequest& wanted, std::span<const OptionField> known, generation::Request& request);

/// As base64.b64decode() of Python's: what is not of the alphabet is passed over. A data: address is taken, too. Throws
/// Error(invalid_argument), in Python's words, for wrong padding.
std::string decode_lenient_base64(std::string_view text);

/// {"a": 1, "b": ["\u00e9"]}: with spaces, in ASCII.
std::string python_json(const Json& value);

}  // namespace rushes::server::omniavatar
