// The file of a prediction's video, with what RFC 9110 has for those who have some of it already.
#pragma once
#include <string_view>

#include "rushes/server/sessions/session_store.h"

namespace rushes::server::foresight {

/// The video that is called so, of `prefix` + UUID + ".mp4"; a range, 206, 304, 416 or all of it. 404 for what names
/// none, with NOT_READY while it is made, 507 where the disk was full and it is not in memory either.
net::awaitable<Response> video_file(const Request& request, const SessionStore& sessions, std::string_view name,
                                    std::string_view prefix);

}  // namespace rushes::server::foresight
