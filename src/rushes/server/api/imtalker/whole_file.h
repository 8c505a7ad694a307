// Routes that get all of the speech in one request: the video as a file, as HLS, or as single pictures.
#pragma once
#include <string>
#include <string_view>

#include "rushes/media/audio_decoder.h"
#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/http/router.h"
#include "rushes/server/http/work_pool.h"

namespace rushes::server {
namespace imtalker {

// What names of finished files begin with.
inline constexpr std::string_view kOutput = "audio_driven_", kDrivenOutput = "video_driven_";

/// Names a session whose video is to be one of /api/outputs.
std::string output_name();
/// Starts a session that gets all of its speech at once.
Hosted begin_whole_file(Heads& talks, std::string name, HeldRequest talker, HeldAudio audio,
                        const Heads::Watch& watch = {});
/// Returns when its video is complete; stops it if the client leaves before. Throws Refused(500) if that fails.
net::awaitable<void> wait_until_made(Heads& talks, std::string name, Hosted entry);

}  // namespace imtalker

/// All outlive the router; `talks` may be null.
void add_whole_file_routes(Router& router, imtalker::Heads* talks, WorkPool& work, std::string mode);

}  // namespace rushes::server
