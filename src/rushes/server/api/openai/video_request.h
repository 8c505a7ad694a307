// Bodies of the OpenAI-style video API, as its client library sends them, in the generator's words.
#pragma once
#include <functional>
#include <string>

#include "rushes/generation/model.h"
#include "rushes/server/http/http.h"

namespace rushes::server {

inline constexpr double kDefaultVideoSeconds = 4;  // as the API's own

/// Body of POST /v1/videos, JSON or multipart/form-data, as JSON. Throws Error(invalid_argument) for neither.
nlohmann::json video_fields(const Request& request);

/// Those fields as read_video_fields() knows them, with a prompt. `admit`: of its picture, see media::decode_image().
/// Throws as that.
generation::Request parse_video_request(nlohmann::json given, const generation::Model& model,
                                        const std::function<void(int64_t bytes)>& admit = {});

/// Body of POST /v1/videos/{id}/remix: {"prompt": "..."}, JSON or a form.
std::string parse_remix_request(const Request& request);

}  // namespace rushes::server
