// The video of a session that has ended, as a file: its recording, or where that could not be written (a full disk),
// what is still in memory. One way for every API, so that none gives a part of it for the whole.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "rushes/server/http/http.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// Returns at once while the session goes on; when it has ended, as soon as its file is what it stays: the recording
/// becomes a plain MP4 a moment after the session tells its end. Throws when it is cancelled.
net::awaitable<void> wait_for_file(Hosted entry);
/// Returns when all of the video is there. Throws when it is cancelled.
net::awaitable<void> wait_for_end(Hosted entry);

/// Throws Error(unavailable), saying why, if a part of the video is neither recorded nor in memory.
void require_whole(const Hosted& entry);
int64_t finished_bytes(const Hosted& entry);
/// All of it, or a range. A plain MP4; fragments where it comes from memory. `modified`: as FileState has it. Throws as
/// require_whole().
Response finished_mp4(const Request& request, const Hosted& entry, std::string modified = {});
/// All of it. Throws as require_whole(), Error(unavailable) if the file cannot be read.
std::vector<uint8_t> finished_contents(const Hosted& entry);

/// The same as fragments, one behind the other with the initialisation segment in front, also where there is a file.
Response fragments_response(const Request& request, const Hosted& entry, const FileState& state);

}  // namespace rushes::server
