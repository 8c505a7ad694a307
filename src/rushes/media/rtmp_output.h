// A command's video as a live stream to an RTMP server.
#pragma once
#include <memory>
#include <string_view>

#include "rushes/media/video_output.h"

namespace rushes::media {

/// "rtmp://..." or "rtmps://...".
bool is_rtmp(std::string_view target);

/// Connects to the server of such an address, and leaves it again. Throws Error(invalid_argument) for an address that
/// is none, Error(unavailable) if nobody answers there within 5 s.
void require_rtmp_server(std::string_view target);

/// Sends each frame at its time, counted from the first; write() returns when its last frame has gone out, so a command
/// is held back to the rate of the video. When the server goes away, what is due meanwhile is lost, and the connection
/// is tried again with growing pauses. Throws Error(unavailable) if the server cannot be reached at the start.
std::unique_ptr<VideoOutput> open_rtmp_output(const VideoOutputOptions& options);

}  // namespace rushes::media
