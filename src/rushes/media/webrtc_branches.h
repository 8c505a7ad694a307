// The branches of a WebRTC peer's pipeline: what encoded pictures and sound go through to it, and its sound to us. For
// webrtc_peer.cpp.
#pragma once
#include <fmt/format.h>
#include <gst/app/gstappsrc.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>

#include "rushes/media/gstreamer.h"
#include "rushes/media/webrtc_peer.h"

namespace rushes::media {

/// A branch of the pipeline. clocksync lets each unit go at its own time: webrtcbin would do that too, but behind the
/// place where pictures and sound become one stream, where either holds up the other.
inline std::string video_branch(const WebRtcOffer::Format& format, uint32_t ssrc) {
  const bool h264 = format.codec == Codec::h264;
  return fmt::format(
      "appsrc name=video is-live=true format=time do-timestamp=false max-bytes=0 caps={} ! clocksync ! {} mtu=1200 "
      "ssrc={ssrc} pt={pt} ! "
      "application/x-rtp,media=video,encoding-name={},clock-rate=90000,payload={pt},ssrc=(uint){ssrc} ! peer. ",
      h264 ? "video/x-h264,stream-format=byte-stream,alignment=au" : "video/x-vp8",
      h264 ? "rtph264pay aggregate-mode=zero-latency config-interval=-1" : "rtpvp8pay picture-id-mode=15-bit",
      h264 ? "H264" : "VP8", fmt::arg("ssrc", ssrc), fmt::arg("pt", format.payload_type));
}

inline std::string audio_branch(int payload_type, uint32_t ssrc) {
  return fmt::format(
      "appsrc name=sound is-live=true format=time do-timestamp=false max-bytes=0 "
      "caps=audio/x-opus,channel-mapping-family=0,channels=1,rate=48000 ! clocksync ! rtpopuspay mtu=1200 ssrc={ssrc} "
      "pt={pt} ! application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload={pt},ssrc=(uint){ssrc} ! "
      "peer. ",
      fmt::arg("ssrc", ssrc), fmt::arg("pt", payload_type));
}

/// From one packet to the next: what a browser sends, as one channel of samples.
inline std::string microphone_bin(int64_t hz) {
  return fmt::format(
      "rtpopusdepay ! opusdec plc=true use-inband-fec=true ! audioconvert ! audioresample ! "
      "audio/x-raw,format=F32LE,layout=interleaved,channels=1,rate={} ! "
      "appsink name=heard sync=false max-buffers=64 drop=true",
      hz);
}

/// Where units of one kind go in.
struct Inlet {
  gstreamer::Element source = {};  // null: this kind is not sent, and is dropped
  guint64 max_queued_bytes = 0;
  std::mutex pushing = {};
  bool dropping = false;  // until the next key frame

  void push(const AccessUnit& unit, WebRtcPeer::Time play) {
    if (!source) return;
    const std::scoped_lock lock(pushing);
    auto* to = GST_APP_SRC(source.get());
    if (unit.is_key) dropping = false;
    if (gst_app_src_get_current_level_bytes(to) > max_queued_bytes) dropping = true;
    if (dropping) return;
    // The bytes are shared by all peers; the reference goes with the buffer.
    auto* keep = new std::shared_ptr<const Bytes>(unit.bytes);
    GstBuffer* buffer = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, const_cast<uint8_t*>(unit.bytes->data()), unit.bytes->size(), 0, unit.bytes->size(),
        keep, [](gpointer p) { delete static_cast<std::shared_ptr<const Bytes>*>(p); });
    GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(std::max<int64_t>(0, play.count()));
    if (!unit.is_key) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    gst_app_src_push_buffer(to, buffer);
  }
};

}  // namespace rushes::media
