// Bodies of the OpenAI-style video API, as its client library sends them, in the generator's words.
#pragma once
#include <string>

#include "rushes/generation/model.h"
#include "rushes/server/http/http.h"

namespace rushes::server {

inline constexpr double kDefaultVideoSeconds = 4;  // as the API's own

/// Body of POST /v1/videos, JSON or multipart/form-data: prompt, model, seconds, size, input_reference, and the native
/// API's seed, fps, steps, guidance_scale, timestep_shift and negative_prompt. Throws as parse_session_request().
generation::Request parse_video_request(const Request& request, const generation::Model& model, std::string_view name);

/// Body of POST /v1/videos/{id}/remix: {"prompt": "..."}, JSON or a form.
std::string parse_remix_request(const Request& request);

}  // namespace rushes::server
