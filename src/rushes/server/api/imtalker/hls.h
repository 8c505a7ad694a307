// The files below /hls/{session_id}/ as IMTalker's server writes them: segments of two seconds in MPEG-TS.
#pragma once
#include "rushes/server/api/imtalker/heads.h"

namespace rushes::server::imtalker {

/// playlist.m3u8 as of now.
std::string playlist(const Head& session);

/// The segment that a file name such as segment007.ts stands for; nothing if it is none or does not exist (yet).
std::optional<HeadSegment> find_segment(const Head& session, std::string_view file);

/// All segments of a session's runs in one MP4, made anew without encoding anything again. Any thread.
delivery::SharedBytes merged_mp4(const std::vector<Hosted>& runs);

}  // namespace rushes::server::imtalker
