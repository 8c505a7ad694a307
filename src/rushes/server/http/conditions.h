// Which state of a file a client has already (RFC 9110, section 13).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "rushes/server/http/http.h"

namespace rushes::server {

/// 304 where If-None-Match, or without it If-Modified-Since, names this state; 412 where If-Match names only others, or
/// without it the file has changed since If-Unmodified-Since. A file without a tag is in none of the states that have
/// one, and without a time it is not asked for that. Nothing: the file is to be sent.
std::optional<Response> answer_without_file(const Request& request, const FileState& state);
/// If-Range names another state than this: the whole file is to be sent.
bool has_another(const Request& request, const FileState& state);

}  // namespace rushes::server
