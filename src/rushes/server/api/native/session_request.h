// The bodies of the native API's requests, checked and in the generator's words.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "rushes/generation/model.h"
#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

inline constexpr double kRealtimeLeadSeconds = 2;         // covers a block's time and a busy moment
inline constexpr std::size_t kMaxImageBytes = 16 << 20;   // of the picture's file
inline constexpr std::size_t kMaxCreateBytes = 24 << 20;  // of the whole request: that picture in base64, and prompts

/// Body of POST /v1/sessions (docs/api.md lists the fields): what all models know, and the options of this one. Its
/// plan() checks the values. Throws Error(invalid_argument) naming the field, Error(too_large) for pictures,
/// Error(unsupported) and Error(corrupt_data) for pictures that cannot be read.
/// `admit`: of its picture, see media::decode_image().
generation::Request parse_session_request(std::string_view body, const generation::Model& model,
                                          const std::function<void(int64_t bytes)>& admit = {});

/// What is wrong with such a body whatever the model: for one that must be loaded first. Throws as above.
void check_session_request(std::string_view body);

// Parts of it, for other dialects.
/// width and height, or size: "832x480".
void read_size(JsonFields& fields, generation::Request& request);
/// All that the model offers, under the names and other spellings of its fields.
void read_options(JsonFields& fields, std::span<const OptionField> known, generation::Request& request);
/// A prompt without the white space around it; `field` stands in messages.
std::string checked_prompt(std::string_view field, std::string_view text);
/// A picture in base64, also as a data: address, of at most kMaxImageBytes.
Image decode_image(std::string_view field, std::string_view text, const generation::Model& model,
                   const std::function<void(int64_t bytes)>& admit = {});

/// The field `model` of such a body, whatever else stands there.
std::optional<std::string> parse_model_name(std::string_view body);

/// Body of POST /v1/sessions/{id}/prompt: {"prompt": "..."}.
std::string parse_prompt_request(JsonFields fields);

/// Body of POST /v1/sessions/{id}/fork: {"prompt": "..."}, or nothing to go on with the same.
NewFork parse_fork_request(std::string_view body);

/// Body of POST /v1/sessions/{id}/pacing: {"pacing": "asap" | "realtime", "max_lead": seconds}. The lead that is
/// allowed; nothing: any.
std::optional<double> parse_pacing_request(std::string_view body);

}  // namespace rushes::server
