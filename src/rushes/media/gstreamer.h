// GStreamer's objects in unique_ptr, and its start. For the files of WebRTC.
#pragma once
#define GST_USE_UNSTABLE_API
#include <gst/gst.h>
#include <gst/sdp/sdp.h>
#include <gst/webrtc/webrtc.h>

#include <memory>
#include <string_view>

namespace rushes::media::gstreamer {

template <auto Function>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Function(pointer);
  }
};
using Element = std::unique_ptr<GstElement, Freed<gst_object_unref>>;
using Object = std::unique_ptr<GObject, Freed<g_object_unref>>;
using Caps = std::unique_ptr<GstCaps, Freed<gst_caps_unref>>;
using Sample = std::unique_ptr<GstSample, Freed<gst_sample_unref>>;
using Sdp = std::unique_ptr<GstSDPMessage, Freed<gst_sdp_message_free>>;
using Promise = std::unique_ptr<GstPromise, Freed<gst_promise_unref>>;
using Description = std::unique_ptr<GstWebRTCSessionDescription, Freed<gst_webrtc_session_description_free>>;

/// The system's clock and the moment that all peers count from.
struct SharedClock {
  GstClock* clock = nullptr;
  GstClockTime base = 0;
};

/// Starts GStreamer at the first call. Throws Error(unavailable).
const SharedClock& shared_clock();

/// Throws Error(invalid_argument) for what is no SDP.
Sdp parse_sdp(std::string_view sdp);

inline std::string_view text(const char* value) { return value ? value : ""; }

}  // namespace rushes::media::gstreamer
