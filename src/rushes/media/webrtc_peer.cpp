#include "rushes/media/webrtc_peer.h"

#define GST_USE_UNSTABLE_API
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/sdp/sdp.h>
#include <gst/video/video.h>
#include <gst/webrtc/webrtc.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>

#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes::media {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxOfferBytes = 64 << 10;
constexpr guint kMaxMedia = 16;
constexpr guint64 kMaxQueuedBytes = 4 << 20;
constexpr auto kGatheringTimeout = 5s;
constexpr WebRtcPeer::Time kSilence = 10s;  // a browser reports about once a second
constexpr WebRtcPeer::Time kTimeToConnect = 15s;

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
using Sdp = std::unique_ptr<GstSDPMessage, Freed<gst_sdp_message_free>>;
using Promise = std::unique_ptr<GstPromise, Freed<gst_promise_unref>>;
using Description = std::unique_ptr<GstWebRTCSessionDescription, Freed<gst_webrtc_session_description_free>>;

/// The system's clock and the moment that all peers count from.
struct SharedClock {
  GstClock* clock = nullptr;
  GstClockTime base = 0;
};

const SharedClock& shared_clock() {
  static const SharedClock shared = [] {
    GError* error = nullptr;
    const bool ready = gst_init_check(nullptr, nullptr, &error);
    const std::string reason = error ? error->message : "unknown reason";
    g_clear_error(&error);
    require(ready, ErrorCode::unavailable, "GStreamer does not start: {}", reason);
    SharedClock made;
    made.clock = gst_system_clock_obtain();
    made.base = gst_clock_get_time(made.clock);
    return made;
  }();
  return shared;
}

Sdp parse_sdp(std::string_view text) {
  GstSDPMessage* message = nullptr;
  const bool ok = gst_sdp_message_new_from_text(std::string(text).c_str(), &message) == GST_SDP_OK;
  Sdp owned(message);
  require(ok && message != nullptr, ErrorCode::invalid_argument, "the body is no SDP offer");
  return owned;
}

/// 0: cannot be used; else the more, the better.
int rank(const GstCaps* caps, Codec& codec) {
  const GstStructure* format = gst_caps_get_structure(caps, 0);
  const std::string_view name =
      gst_structure_get_string(format, "encoding-name") ? gst_structure_get_string(format, "encoding-name") : "";
  const auto says = [&](const char* field, std::string_view wanted) {
    const char* value = gst_structure_get_string(format, field);
    return value && value == wanted;
  };
  codec = name == "VP8" ? Codec::vp8 : Codec::h264;
  if (name == "VP8") return 1;
  if (name != "H264" || !says("packetization-mode", "1")) return 0;
  // GStreamer turns profile-level-id into a profile's name.
  if (says("profile", "constrained-baseline")) return 4;
  return says("profile", "baseline") ? 3 : 2;
}

std::string launch_line(const WebRtcOffer::Format& format, uint32_t ssrc) {
  const bool h264 = format.codec == Codec::h264;
  return fmt::format(
      "appsrc name=source is-live=true format=time do-timestamp=false max-bytes=0 caps={} ! {} mtu=1200 ssrc={ssrc} "
      "pt={pt} ! "
      "application/x-rtp,media=video,encoding-name={},clock-rate=90000,payload={pt},ssrc=(uint){ssrc} ! "
      "webrtcbin name=peer bundle-policy=max-bundle",
      h264 ? "video/x-h264,stream-format=byte-stream,alignment=au" : "video/x-vp8",
      h264 ? "rtph264pay aggregate-mode=zero-latency config-interval=-1" : "rtpvp8pay picture-id-mode=15-bit",
      h264 ? "H264" : "VP8", fmt::arg("ssrc", ssrc), fmt::arg("pt", format.payload_type));
}

GstPadProbeReturn drop_key_requests(GstPad*, GstPadProbeInfo* info, gpointer) {
  // Every block begins with a key frame; asking the encoder for more would cost all other viewers.
  return gst_video_event_is_force_key_unit(gst_pad_probe_info_get_event(info)) ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

}  // namespace

WebRtcOffer WebRtcOffer::parse(std::string_view text) {
  require(text.size() <= kMaxOfferBytes, ErrorCode::too_large, "the SDP offer has {} bytes; {} are allowed",
          text.size(), kMaxOfferBytes);
  require(text.starts_with("v=0") && text.find('\0') == std::string_view::npos, ErrorCode::invalid_argument,
          "the body is no SDP offer");
  shared_clock();
  const Sdp message = parse_sdp(text);
  const guint medias = gst_sdp_message_medias_len(message.get());
  require(medias <= kMaxMedia, ErrorCode::invalid_argument, "the SDP offer has {} media; {} are allowed", medias,
          kMaxMedia);
  WebRtcOffer offer{.sdp = std::string(text), .formats = {}};
  bool has_video = false;
  int best_h264 = 0;
  Format h264, vp8{.codec = Codec::vp8, .payload_type = -1};
  for (guint i = 0; i < medias && !has_video; ++i) {
    const GstSDPMedia* media = gst_sdp_message_get_media(message.get(), i);
    const std::string_view kind = gst_sdp_media_get_media(media) ? gst_sdp_media_get_media(media) : "";
    if (kind != "video" || gst_sdp_media_get_attribute_val(media, "sendonly") ||
        gst_sdp_media_get_attribute_val(media, "inactive"))
      continue;
    has_video = true;
    for (guint j = 0; j < gst_sdp_media_formats_len(media); ++j) {
      const int payload_type = std::atoi(gst_sdp_media_get_format(media, j));
      if (payload_type < 0 || payload_type > 127) continue;
      const Caps caps(gst_sdp_media_get_caps_from_media(media, payload_type));
      if (!caps || gst_caps_get_size(caps.get()) == 0) continue;
      Codec codec{};
      const int value = rank(caps.get(), codec);
      if (codec == Codec::h264 && value > best_h264) {
        best_h264 = value;
        h264.payload_type = payload_type;
      } else if (codec == Codec::vp8 && value > 0 && vp8.payload_type < 0) {
        vp8.payload_type = payload_type;
      }
    }
  }
  require(has_video, ErrorCode::invalid_argument, "the SDP offer has no video that it would receive (a=recvonly)");
  if (best_h264 > 0) offer.formats.push_back(h264);
  if (vp8.payload_type >= 0) offer.formats.push_back(vp8);
  require(!offer.formats.empty(), ErrorCode::unsupported,
          "the SDP offer has neither H.264 (packetization-mode=1) nor VP8");
  return offer;
}

struct WebRtcPeer::State {
  Element pipeline, webrtc, source;
  std::string answer;
  std::mutex mutex;
  std::condition_variable gathered;
  std::atomic<int64_t> created_ns = 0, heard_ns = 0;  // 0: never
  std::atomic<bool> failed = false;
  std::mutex pushing;
  bool dropping = false;  // until the next key frame
  std::string error;      // of the bus, under `mutex`

  // ---- callbacks, on GStreamer's threads ----

  static GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer opaque) {
    auto& state = *static_cast<State*>(opaque);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY) {
      gst_element_call_async(
          state.pipeline.get(), [](GstElement* pipeline, gpointer) { gst_bin_recalculate_latency(GST_BIN(pipeline)); },
          nullptr, nullptr);
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      log::debug("webrtc: {}", error->message);
      const std::scoped_lock lock(state.mutex);
      state.error = error->message;
      state.failed = true;
      g_clear_error(&error);
    }
    gst_message_unref(message);
    return GST_BUS_DROP;
  }

  static void on_gathering(GstElement*, GParamSpec*, gpointer opaque) {
    auto& state = *static_cast<State*>(opaque);
    const std::scoped_lock lock(state.mutex);
    state.gathered.notify_all();
  }

  static void on_report(GstElement*, guint, guint, gpointer opaque) {
    static_cast<State*>(opaque)->heard_ns = now().count();
  }

  // ---- steps of the negotiation ----

  void build(const WebRtcOffer::Format& format) {
    std::random_device random;
    GError* error = nullptr;
    pipeline.reset(gst_parse_launch(launch_line(format, random() | 1u).c_str(), &error));
    if (pipeline) gst_object_ref_sink(pipeline.get());
    const std::string reason = error ? error->message : "";
    g_clear_error(&error);
    require(pipeline && reason.empty(), ErrorCode::unavailable,
            "WebRTC needs GStreamer's plugins (Debian: gstreamer1.0-plugins-base, -plugins-good, -plugins-bad, "
            "gstreamer1.0-nice): {}",
            reason);
    webrtc.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "peer"));
    source.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "source"));
    gst_pipeline_use_clock(GST_PIPELINE(pipeline.get()), shared_clock().clock);
    gst_element_set_start_time(pipeline.get(), GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(pipeline.get(), shared_clock().base);
    GstBus* bus = gst_pipeline_get_bus(GST_PIPELINE(pipeline.get()));
    gst_bus_set_sync_handler(bus, on_message, this, nullptr);
    gst_object_unref(bus);
    GstPad* pad = gst_element_get_static_pad(source.get(), "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, drop_key_requests, nullptr, nullptr);
    gst_object_unref(pad);
  }

  void restrict_ice(const Options& options) {
    GObject* found = nullptr;
    g_object_get(webrtc.get(), "ice-agent", &found, nullptr);
    const Object ice(found);
    require(ice != nullptr, ErrorCode::unavailable, "WebRTC needs libnice's plugin (Debian: gstreamer1.0-nice)");
    for (const std::string& address : options.local_addresses) {
      gboolean ok = FALSE;
      g_signal_emit_by_name(ice.get(), "add-local-ip-address", address.c_str(), &ok);
      require(ok, ErrorCode::invalid_argument, "WebRTC: '{}' is no IP address", address);
    }
    g_object_get(ice.get(), "agent", &found, nullptr);
    const Object agent(found);
    // Without the first, libnice asks routers on the machine's real networks to open ports.
    g_object_set(agent.get(), "upnp", FALSE, "ice-tcp", FALSE, "keepalive-conncheck", TRUE, nullptr);
  }

  void only_send() {
    GstWebRTCRTPTransceiver* transceiver = nullptr;
    g_signal_emit_by_name(webrtc.get(), "get-transceiver", 0, &transceiver);
    require(transceiver != nullptr, ErrorCode::internal, "WebRTC: no transceiver");
    g_object_set(transceiver, "direction", GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY, "do-nack", TRUE, nullptr);
    gst_object_unref(transceiver);
  }

  /// Emits `action` and waits for its reply. Throws Error(invalid_argument) with its error.
  template <typename Argument>
  Promise ask(const char* action, Argument argument) {
    Promise promise(gst_promise_new());
    g_signal_emit_by_name(webrtc.get(), action, argument, promise.get());
    const bool replied = gst_promise_wait(promise.get()) == GST_PROMISE_RESULT_REPLIED;
    const GstStructure* reply = gst_promise_get_reply(promise.get());
    std::string reason = replied ? "" : "interrupted";
    if (reply && gst_structure_has_field(reply, "error")) {
      GError* error = nullptr;
      gst_structure_get(reply, "error", G_TYPE_ERROR, &error, nullptr);
      reason = error ? error->message : "unknown reason";
      g_clear_error(&error);
    }
    require(reason.empty(), ErrorCode::invalid_argument, "the SDP offer cannot be answered ({}): {}", action, reason);
    return promise;
  }

  void negotiate(const WebRtcOffer& offer) {
    const Description remote(
        gst_webrtc_session_description_new(GST_WEBRTC_SDP_TYPE_OFFER, parse_sdp(offer.sdp).release()));
    ask("set-remote-description", remote.get());
    const Promise created = ask("create-answer", static_cast<GstStructure*>(nullptr));
    GstWebRTCSessionDescription* found = nullptr;
    gst_structure_get(gst_promise_get_reply(created.get()), "answer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &found,
                      nullptr);
    const Description local(found);
    require(local != nullptr, ErrorCode::invalid_argument, "the SDP offer cannot be answered");
    ask("set-local-description", local.get());
  }

  bool is_gathered() const {
    GstWebRTCICEGatheringState state{};
    g_object_get(webrtc.get(), "ice-gathering-state", &state, nullptr);
    return state == GST_WEBRTC_ICE_GATHERING_STATE_COMPLETE;
  }

  void take_answer() {
    std::unique_lock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + kGatheringTimeout;
    while (!is_gathered())
      require(gathered.wait_until(lock, deadline) == std::cv_status::no_timeout || is_gathered(),
              ErrorCode::unavailable, "WebRTC: no address to receive at was found within {} s",
              kGatheringTimeout.count());
    lock.unlock();
    GstWebRTCSessionDescription* found = nullptr;
    g_object_get(webrtc.get(), "local-description", &found, nullptr);
    const Description local(found);
    gchar* text = gst_sdp_message_as_text(local->sdp);
    answer = text;
    g_free(text);
    require(answer.find("a=sendonly") != std::string::npos, ErrorCode::unsupported,
            "the offered video formats cannot be sent");
  }

  ~State() {
    if (!pipeline) return;
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    GstBus* bus = gst_pipeline_get_bus(GST_PIPELINE(pipeline.get()));
    gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
    gst_object_unref(bus);
    if (webrtc) g_signal_handlers_disconnect_by_data(webrtc.get(), this);
  }
};

WebRtcPeer::WebRtcPeer(const WebRtcOffer& offer, const WebRtcOffer::Format& format, const Options& options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.created_ns = now().count();
  s.build(format);
  s.restrict_ice(options);
  s.only_send();
  g_signal_connect(s.webrtc.get(), "notify::ice-gathering-state", G_CALLBACK(State::on_gathering), &s);
  if (const Element rtp(gst_bin_get_by_name(GST_BIN(s.webrtc.get()), "rtpbin")); rtp)
    g_signal_connect(rtp.get(), "on-ssrc-active", G_CALLBACK(State::on_report), &s);
  gst_element_set_state(s.pipeline.get(), GST_STATE_PLAYING);
  s.negotiate(offer);
  s.take_answer();
}

WebRtcPeer::~WebRtcPeer() = default;

const std::string& WebRtcPeer::answer() const noexcept { return state_->answer; }

WebRtcPeer::Time WebRtcPeer::now() {
  const SharedClock& shared = shared_clock();
  return Time(static_cast<int64_t>(gst_clock_get_time(shared.clock) - shared.base));
}

void WebRtcPeer::push(const AccessUnit& unit, Time play) {
  State& s = *state_;
  const std::scoped_lock lock(s.pushing);
  auto* source = GST_APP_SRC(s.source.get());
  if (unit.is_key) s.dropping = false;
  if (gst_app_src_get_current_level_bytes(source) > kMaxQueuedBytes) s.dropping = true;
  if (s.dropping) return;
  // The bytes are shared by all peers; the reference goes with the buffer.
  auto* keep = new std::shared_ptr<const Bytes>(unit.bytes);
  GstBuffer* buffer = gst_buffer_new_wrapped_full(
      GST_MEMORY_FLAG_READONLY, const_cast<uint8_t*>(unit.bytes->data()), unit.bytes->size(), 0, unit.bytes->size(),
      keep, [](gpointer p) { delete static_cast<std::shared_ptr<const Bytes>*>(p); });
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(std::max<int64_t>(0, play.count()));
  if (!unit.is_key) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  gst_app_src_push_buffer(source, buffer);
}

bool WebRtcPeer::connected() const {
  GstWebRTCPeerConnectionState state{};
  g_object_get(state_->webrtc.get(), "connection-state", &state, nullptr);
  return state == GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED;
}

bool WebRtcPeer::gone() const {
  const State& s = *state_;
  if (s.failed) return true;
  const Time heard(s.heard_ns), at = now();
  return heard.count() > 0 ? at - heard > kSilence : at - Time(s.created_ns) > kTimeToConnect;
}

}  // namespace rushes::media
