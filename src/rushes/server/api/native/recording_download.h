// A recording as a download, also while it grows.
#pragma once
#include "rushes/server/http/http.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// All of the session's recording, or a range; without one it goes on until the end of the session. While it grows it
/// consists of fragments, then it is another file, a plain MP4. A client that began with the fragments (If-Range says
/// so, or there was one and this one does not say) resumes in them: what it has is the beginning of no other file.
/// Throws Error(not_found) when there is no recording. 416 beyond what exists; 304 and 412 as answer_without_file().
Response recording_download(const Request& request, const Hosted& entry);

}  // namespace rushes::server
