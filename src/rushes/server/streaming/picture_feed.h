// A session's video as single pictures on a WebSocket.
#pragma once
#include "rushes/delivery/sinks/jpeg_stream.h"
#include "rushes/server/http/http.h"
#include "rushes/server/http/websocket.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

struct PictureFeedOptions {
  bool base64 = false;    // JSON text messages instead of binary ones
  bool realtime = false;  // each picture at its time, counted from the first one that this viewer gets
  delivery::JpegStream::From from = delivery::JpegStream::From::newest;
};

/// First {"type": "format", ...}. Then binary: JPEGs, before the first and after each gap {"type": "position", "index":
/// ...}; base64: {"type": "frame", "index": ..., "data": ...}. A viewer that is too slow misses pictures.
net::awaitable<void> send_pictures(Hosted entry, PictureFeedOptions options, const SessionStore* sessions,
                                   WebSocket* viewer);

}  // namespace rushes::server
