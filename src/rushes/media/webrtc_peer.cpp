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
constexpr guint64 kMaxQueuedBytes = 4 << 20, kMaxQueuedSoundBytes = 32 << 10;  // sound: some five seconds
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

Sdp parse_sdp(std::string_view sdp) {
  GstSDPMessage* message = nullptr;
  const bool ok = gst_sdp_message_new_from_text(std::string(sdp).c_str(), &message) == GST_SDP_OK;
  Sdp owned(message);
  require(ok && message != nullptr, ErrorCode::invalid_argument, "the body is no SDP offer");
  return owned;
}

std::string_view text(const char* value) { return value ? value : ""; }

/// 0: cannot be used; else the more, the better.
int rank(const GstCaps* caps, Codec& codec) {
  const GstStructure* format = gst_caps_get_structure(caps, 0);
  const std::string_view name = text(gst_structure_get_string(format, "encoding-name"));
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

/// Would the other side receive `kind` by this medium?
bool receives(const GstSDPMedia* media, std::string_view kind) {
  return text(gst_sdp_media_get_media(media)) == kind && !gst_sdp_media_get_attribute_val(media, "sendonly") &&
         !gst_sdp_media_get_attribute_val(media, "inactive");
}

/// Each payload type of `media` that an offer may have, with what is said of it.
template <typename Use>
void each_format(const GstSDPMedia* media, const Use& use) {
  for (guint i = 0; i < gst_sdp_media_formats_len(media); ++i) {
    const int payload_type = std::atoi(gst_sdp_media_get_format(media, i));
    if (payload_type < 0 || payload_type > 127) continue;
    const Caps caps(gst_sdp_media_get_caps_from_media(media, payload_type));
    if (caps && gst_caps_get_size(caps.get()) > 0) use(payload_type, caps.get());
  }
}

void read_video(const GstSDPMedia* media, WebRtcOffer& offer) {
  int best_h264 = 0;
  WebRtcOffer::Format h264, vp8{.codec = Codec::vp8, .payload_type = -1};
  each_format(media, [&](int payload_type, const GstCaps* caps) {
    Codec codec{};
    const int value = rank(caps, codec);
    if (codec == Codec::h264 && value > best_h264) {
      best_h264 = value;
      h264.payload_type = payload_type;
    } else if (codec == Codec::vp8 && value > 0 && vp8.payload_type < 0) {
      vp8.payload_type = payload_type;
    }
  });
  if (best_h264 > 0) offer.formats.push_back(h264);
  if (vp8.payload_type >= 0) offer.formats.push_back(vp8);
}

/// Opus is always written as 48 kHz and two channels, whatever it carries (RFC 7587).
void read_sound(const GstSDPMedia* media, WebRtcOffer& offer) {
  each_format(media, [&](int payload_type, const GstCaps* caps) {
    const GstStructure* format = gst_caps_get_structure(caps, 0);
    int clock_rate = 0;
    gst_structure_get_int(format, "clock-rate", &clock_rate);
    if (!offer.opus_payload_type && payload_type >= 96 && clock_rate == 48'000 &&
        text(gst_structure_get_string(format, "encoding-name")) == "OPUS")
      offer.opus_payload_type = payload_type;
  });
}

/// A branch of the pipeline. clocksync lets each unit go at its own time: webrtcbin would do that too, but behind the
/// place where pictures and sound become one stream, where either holds up the other.
std::string video_branch(const WebRtcOffer::Format& format, uint32_t ssrc) {
  const bool h264 = format.codec == Codec::h264;
  return fmt::format(
      "appsrc name=video is-live=true format=time do-timestamp=false max-bytes=0 caps={} ! clocksync ! {} mtu=1200 "
      "ssrc={ssrc} pt={pt} ! "
      "application/x-rtp,media=video,encoding-name={},clock-rate=90000,payload={pt},ssrc=(uint){ssrc} ! peer. ",
      h264 ? "video/x-h264,stream-format=byte-stream,alignment=au" : "video/x-vp8",
      h264 ? "rtph264pay aggregate-mode=zero-latency config-interval=-1" : "rtpvp8pay picture-id-mode=15-bit",
      h264 ? "H264" : "VP8", fmt::arg("ssrc", ssrc), fmt::arg("pt", format.payload_type));
}

std::string sound_branch(int payload_type, uint32_t ssrc) {
  return fmt::format(
      "appsrc name=sound is-live=true format=time do-timestamp=false max-bytes=0 "
      "caps=audio/x-opus,channel-mapping-family=0,channels=1,rate=48000 ! clocksync ! rtpopuspay mtu=1200 ssrc={ssrc} "
      "pt={pt} ! application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload={pt},ssrc=(uint){ssrc} ! "
      "peer. ",
      fmt::arg("ssrc", ssrc), fmt::arg("pt", payload_type));
}

bool sends(const GstSDPMessage* answer, std::string_view kind) {
  for (guint i = 0; i < gst_sdp_message_medias_len(answer); ++i) {
    const GstSDPMedia* media = gst_sdp_message_get_media(answer, i);
    if (text(gst_sdp_media_get_media(media)) == kind && gst_sdp_media_get_port(media) != 0 &&
        gst_sdp_media_get_attribute_val(media, "sendonly"))
      return true;
  }
  return false;
}

GstPadProbeReturn drop_key_requests(GstPad*, GstPadProbeInfo* info, gpointer) {
  // Every block begins with a key frame; asking the encoder for more would cost all other viewers.
  return gst_video_event_is_force_key_unit(gst_pad_probe_info_get_event(info)) ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

}  // namespace

WebRtcOffer WebRtcOffer::parse(std::string_view sdp) {
  require(sdp.size() <= kMaxOfferBytes, ErrorCode::too_large, "the SDP offer has {} bytes; {} are allowed", sdp.size(),
          kMaxOfferBytes);
  require(sdp.starts_with("v=0") && sdp.find('\0') == std::string_view::npos, ErrorCode::invalid_argument,
          "the body is no SDP offer");
  shared_clock();
  const Sdp message = parse_sdp(sdp);
  const guint medias = gst_sdp_message_medias_len(message.get());
  require(medias <= kMaxMedia, ErrorCode::invalid_argument, "the SDP offer has {} media; {} are allowed", medias,
          kMaxMedia);
  WebRtcOffer offer{.sdp = std::string(sdp), .formats = {}, .opus_payload_type = {}};
  const GstSDPMedia *video = nullptr, *sound = nullptr;  // the first of each that it would receive
  for (guint i = 0; i < medias; ++i) {
    const GstSDPMedia* media = gst_sdp_message_get_media(message.get(), i);
    if (!video && receives(media, "video")) video = media;
    if (!sound && receives(media, "audio")) sound = media;
  }
  require(video != nullptr, ErrorCode::invalid_argument,
          "the SDP offer has no video that it would receive (a=recvonly)");
  read_video(video, offer);
  require(!offer.formats.empty(), ErrorCode::unsupported,
          "the SDP offer has neither H.264 (packetization-mode=1) nor VP8");
  if (sound) read_sound(sound, offer);
  return offer;
}

/// Where units of one kind go in.
struct Inlet {
  Element source = {};  // null: this kind is not sent
  guint64 max_queued_bytes = 0;
  std::mutex pushing = {};
  bool dropping = false;  // until the next key frame

  void push(const AccessUnit& unit, WebRtcPeer::Time play) {
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

struct WebRtcPeer::State {
  Element pipeline, webrtc;
  Inlet video{.max_queued_bytes = kMaxQueuedBytes}, sound{.max_queued_bytes = kMaxQueuedSoundBytes};
  std::string answer;
  std::mutex mutex;
  std::condition_variable gathered;
  std::atomic<int64_t> created_ns = 0, heard_ns = 0;  // 0: never
  std::atomic<bool> failed = false;
  std::string error;  // of the bus, under `mutex`

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

  void build(const WebRtcOffer& offer, const WebRtcOffer::Format& format, const Options& options) {
    std::random_device random;
    const uint32_t ssrc = random() | 1u;
    std::string line = "webrtcbin name=peer bundle-policy=max-bundle " + video_branch(format, ssrc);
    if (options.sound == Options::Sound::if_offered && offer.opus_payload_type)
      line += sound_branch(*offer.opus_payload_type, ssrc ^ 2u);
    GError* error = nullptr;
    pipeline.reset(gst_parse_launch(line.c_str(), &error));
    if (pipeline) gst_object_ref_sink(pipeline.get());
    const std::string reason = error ? error->message : "";
    g_clear_error(&error);
    require(pipeline && reason.empty(), ErrorCode::unavailable,
            "WebRTC needs GStreamer's plugins (Debian: gstreamer1.0-plugins-base, -plugins-good, -plugins-bad, "
            "gstreamer1.0-nice): {}",
            reason);
    webrtc.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "peer"));
    video.source.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "video"));
    sound.source.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sound"));
    gst_pipeline_use_clock(GST_PIPELINE(pipeline.get()), shared_clock().clock);
    gst_element_set_start_time(pipeline.get(), GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(pipeline.get(), shared_clock().base);
    GstBus* bus = gst_pipeline_get_bus(GST_PIPELINE(pipeline.get()));
    gst_bus_set_sync_handler(bus, on_message, this, nullptr);
    gst_object_unref(bus);
    GstPad* pad = gst_element_get_static_pad(video.source.get(), "src");
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

  /// Both at the same; which of the offer's media each serves, webrtcbin finds by their kinds.
  void only_send() {
    GArray* transceivers = nullptr;
    g_signal_emit_by_name(webrtc.get(), "get-transceivers", &transceivers);
    require(transceivers != nullptr && transceivers->len == (sound.source ? 2u : 1u), ErrorCode::internal,
            "WebRTC: {} transceivers", transceivers ? transceivers->len : 0);
    for (guint i = 0; i < transceivers->len; ++i)
      g_object_set(g_array_index(transceivers, GstWebRTCRTPTransceiver*, i), "direction",
                   GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY, "do-nack", TRUE, nullptr);
    g_array_unref(transceivers);
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
    gchar* lines = gst_sdp_message_as_text(local->sdp);
    answer = lines;
    g_free(lines);
    require(sends(local->sdp, "video"), ErrorCode::unsupported, "the offered video formats cannot be sent");
    if (!sends(local->sdp, "audio")) sound.source.reset();
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
  s.build(offer, format, options);
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

bool WebRtcPeer::takes_sound() const noexcept { return state_->sound.source != nullptr; }

void WebRtcPeer::push(const AccessUnit& unit, Time play) { state_->video.push(unit, play); }

void WebRtcPeer::push_sound(const AccessUnit& unit, Time play) {
  if (takes_sound() && connected()) state_->sound.push(unit, play);
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
