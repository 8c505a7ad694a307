// The bodies of the native API's requests, checked and in the generator's words.
#pragma once
#include <string>
#include <string_view>

#include "rushes/generation/generator.h"

namespace rushes::server {

inline constexpr std::size_t kMaxPromptBytes = 8 << 10;   // the text encoders read far less
inline constexpr double kRealtimeLeadSeconds = 2;         // covers a block's time and a busy moment
inline constexpr std::size_t kMaxPrompts = 1000;          // one a segment
inline constexpr std::size_t kMaxImageBytes = 16 << 20;   // of the picture's file
inline constexpr std::size_t kMaxCreateBytes = 24 << 20;  // of the whole request: that picture in base64, and prompts

/// Body of POST /v1/sessions (docs/api.md lists the fields). What a model allows, the model checks.
/// Throws Error(invalid_argument) naming the field, Error(too_large) for long prompts and pictures, Error(unsupported)
/// and Error(corrupt_data) for pictures that cannot be read.
generation::VideoRequest parse_session_request(std::string_view body, std::string_view model_name);

/// The field `model` of such a body, whatever else stands there.
std::optional<std::string> parse_model_name(std::string_view body);

/// Body of POST /v1/sessions/{id}/prompt: {"prompt": "..."}.
std::string parse_prompt_request(std::string_view body);

/// Body of POST /v1/sessions/{id}/fork: {"prompt": "..."}, or nothing to go on with the same.
struct ForkRequest {
  std::optional<std::string> prompt;
  std::optional<int64_t> blocks;  // of the origin that the fork begins with; nothing: all
};
ForkRequest parse_fork_request(std::string_view body);

/// Body of POST /v1/sessions/{id}/pacing: {"pacing": "asap" | "realtime", "max_lead": seconds}. The lead that is
/// allowed; nothing: any.
std::optional<double> parse_pacing_request(std::string_view body);

}  // namespace rushes::server
