// The file of a prediction's video, with what RFC 9110 has for those who have some of it already.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "rushes/server/sessions/session_store.h"

namespace rushes::server::foresight {

struct FileState {
  std::string tag;       // without quotes
  std::string modified;  // http_date()
};

/// If-None-Match, or without it If-Modified-Since, names this state.
bool has_it_already(const Request& request, const FileState& state);
/// If-Range names another state than this: the whole file is to be sent.
bool has_another(const Request& request, const FileState& state);

/// The video that is called so, of `prefix` + UUID + ".mp4"; a range, 206, 304, 416 or all of it. 404 for what names
/// none, with NOT_READY while it is made.
Response video_file(const Request& request, const SessionStore& sessions, std::string_view name,
                    std::string_view prefix);

}  // namespace rushes::server::foresight
