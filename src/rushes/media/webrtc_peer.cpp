#include "rushes/media/webrtc_peer.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/media/gstreamer.h"
#include "rushes/media/rtp_sources.h"
#include "rushes/media/webrtc_branches.h"

namespace rushes::media {
namespace {

using namespace std::chrono_literals;
using namespace gstreamer;

constexpr guint64 kMaxQueuedBytes = 4 << 20, kMaxQueuedAudioBytes = 32 << 10;  // sound: some five seconds
constexpr guint kMicrophoneLatency = 40;  // ms that packets are waited for; a browser sends one each 20 ms
constexpr std::size_t kMaxCandidateBytes = 1 << 10;
constexpr auto kGatheringTimeout = 5s;
constexpr WebRtcPeer::Time kSilence = 10s;  // a browser reports about once a second
constexpr WebRtcPeer::Time kTimeToConnect = 15s;

/// Has the answer a medium of this kind in one of these directions?
bool agrees(const GstSDPMessage* answer, std::string_view kind, std::initializer_list<const char*> directions) {
  for (guint i = 0; i < gst_sdp_message_medias_len(answer); ++i) {
    const GstSDPMedia* media = gst_sdp_message_get_media(answer, i);
    if (text(gst_sdp_media_get_media(media)) != kind || gst_sdp_media_get_port(media) == 0) continue;
    for (const char* direction : directions)
      if (gst_sdp_media_get_attribute_val(media, direction)) return true;
  }
  return false;
}

GstPadProbeReturn drop_key_requests(GstPad*, GstPadProbeInfo* info, gpointer) {
  // Every block begins with a key frame; asking the encoder for more would cost all other viewers.
  return gst_video_event_is_force_key_unit(gst_pad_probe_info_get_event(info)) ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

}  // namespace

struct WebRtcPeer::State {
  Element pipeline, webrtc;
  Inlet video{.max_queued_bytes = kMaxQueuedBytes}, audio{.max_queued_bytes = kMaxQueuedAudioBytes};
  int64_t microphone_hz = 0;
  bool listens = false;
  Element heard;  // under `mutex`: comes with the first packet
  std::optional<RtpSources> sources;
  std::string answer;
  std::mutex mutex;
  std::condition_variable gathered;
  std::atomic<Time> alive{now()};  // when the other side was heard of, before that when this was made
  std::atomic<bool> reported = false, failed = false;
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
    auto& state = *static_cast<State*>(opaque);
    state.alive = now();
    state.reported = true;
  }

  static GstPadProbeReturn on_packet(GstPad*, GstPadProbeInfo* info, gpointer opaque) {
    auto& sources = *static_cast<State*>(opaque)->sources;
    const auto takes = [&](GstBuffer* buffer) {
      std::array<uint8_t, 12> head;
      const gsize size = gst_buffer_extract(buffer, 0, head.data(), head.size());
      return sources.takes({head.data(), size});
    };
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
      return takes(GST_PAD_PROBE_INFO_BUFFER(info)) ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
    GstBufferList* list = gst_buffer_list_make_writable(GST_PAD_PROBE_INFO_BUFFER_LIST(info));
    GST_PAD_PROBE_INFO_DATA(info) = list;
    for (guint i = gst_buffer_list_length(list); i-- > 0;)
      if (!takes(gst_buffer_list_get(list, i))) gst_buffer_list_remove(list, i, 1);
    return GST_PAD_PROBE_OK;
  }

  /// Where packets come in, before anything is decrypted.
  static void on_element(GstBin*, GstBin*, GstElement* element, gpointer opaque) {
    GstElementFactory* factory = gst_element_get_factory(element);
    if (!factory || text(GST_OBJECT_NAME(factory)) != "nicesrc") return;
    GstPad* pad = gst_element_get_static_pad(element, "src");
    const auto packets = static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST);
    gst_pad_add_probe(pad, packets, on_packet, opaque, nullptr);
    gst_object_unref(pad);
  }

  /// The first that brings Opus is the microphone, whatever else comes goes nowhere.
  static void on_pad(GstElement*, GstPad* pad, gpointer opaque) {
    auto& state = *static_cast<State*>(opaque);
    if (gst_pad_get_direction(pad) != GST_PAD_SRC) return;
    const Caps caps(gst_pad_get_current_caps(pad));
    const std::scoped_lock lock(state.mutex);
    const bool is_opus =
        caps && text(gst_structure_get_string(gst_caps_get_structure(caps.get(), 0), "encoding-name")) == "OPUS";
    const bool is_microphone = is_opus && state.listens && !state.heard;
    GError* error = nullptr;
    const std::string line = is_microphone ? microphone_bin(state.microphone_hz) : "fakesink sync=false";
    GstElement* bin = gst_parse_bin_from_description(line.c_str(), TRUE, &error);
    if (error) log::warning("WebRTC: the audio of a microphone cannot be received: {}", error->message);
    g_clear_error(&error);
    if (!bin) return;
    gst_bin_add(GST_BIN(state.pipeline.get()), bin);
    GstPad* sink = gst_element_get_static_pad(bin, "sink");
    gst_pad_link(pad, sink);
    gst_object_unref(sink);
    gst_element_sync_state_with_parent(bin);
    if (is_microphone) state.heard.reset(gst_bin_get_by_name(GST_BIN(bin), "heard"));
  }

  // ---- steps of the negotiation ----

  void build(const WebRtcOffer& offer, const std::optional<WebRtcOffer::Format>& format, const Options& options) {
    std::random_device random;
    const uint32_t ssrc = random() | 1u;
    std::string line = fmt::format("webrtcbin name=peer bundle-policy=max-bundle latency={} ", kMicrophoneLatency);
    if (format) line += video_branch(*format, ssrc);
    if (options.audio == Options::Audio::if_offered && offer.opus_payload_type)
      line += audio_branch(*offer.opus_payload_type, ssrc ^ 2u);
    GError* error = nullptr;
    pipeline.reset(gst_parse_launch(line.c_str(), &error));
    if (pipeline) gst_object_ref_sink(pipeline.get());
    if (pipeline && !GST_IS_PIPELINE(pipeline.get())) {  // a single element comes without
      Element whole(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
      gst_bin_add(GST_BIN(whole.get()), pipeline.get());
      pipeline = std::move(whole);
    }
    const std::string reason = error ? error->message : "";
    const bool lacks_plugin = error && g_error_matches(error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT);
    g_clear_error(&error);
    require(!lacks_plugin, ErrorCode::unavailable,
            "WebRTC needs GStreamer's plugins (Debian: gstreamer1.0-plugins-base, -plugins-good, -plugins-bad, "
            "gstreamer1.0-nice): {}",
            reason);
    require(pipeline && reason.empty(), ErrorCode::internal, "GStreamer cannot send what the SDP offer asks for: {}",
            reason);
    sources.emplace(options.max_sources, options.dropped_packets);
    g_signal_connect(pipeline.get(), "deep-element-added", G_CALLBACK(on_element), this);
    webrtc.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "peer"));
    video.source.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "video"));
    audio.source.reset(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sound"));
    gst_pipeline_use_clock(GST_PIPELINE(pipeline.get()), shared_clock().clock);
    gst_element_set_start_time(pipeline.get(), GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(pipeline.get(), shared_clock().base);
    GstBus* bus = gst_pipeline_get_bus(GST_PIPELINE(pipeline.get()));
    gst_bus_set_sync_handler(bus, on_message, this, nullptr);
    gst_object_unref(bus);
    microphone_hz = options.microphone_hz;
    listens = microphone_hz > 0 && offer.microphone_payload_type;
    if (!video.source) return;
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
      require(ok, ErrorCode::invalid_argument, "WebRTC: '{}' is not an IP address", address);
    }
    g_object_get(ice.get(), "agent", &found, nullptr);
    const Object agent(found);
    // Without the first, libnice asks routers on the machine's real networks to open ports.
    g_object_set(agent.get(), "upnp", FALSE, "ice-tcp", FALSE, "keepalive-conncheck", TRUE, nullptr);
  }

  /// Which of the offer's media each serves, webrtcbin finds by their kinds. Our sound and their microphone may share
  /// one.
  void set_directions(const WebRtcOffer& offer) {
    GArray* transceivers = nullptr;
    g_signal_emit_by_name(webrtc.get(), "get-transceivers", &transceivers);
    const guint count = transceivers ? transceivers->len : 0;
    for (guint i = 0; i < count; ++i) {  // in the order of build()
      const bool both = listens && audio.source && i + 1 == count;
      g_object_set(g_array_index(transceivers, GstWebRTCRTPTransceiver*, i), "direction",
                   both ? GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDRECV : GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY,
                   "do-nack", TRUE, nullptr);
    }
    if (transceivers) g_array_unref(transceivers);
    require(count == (video.source ? 1u : 0u) + (audio.source ? 1u : 0u), ErrorCode::internal,
            "WebRTC: {} transceivers", count);
    if (!listens || audio.source) return;
    const Caps opus(gst_caps_new_simple("application/x-rtp", "media", G_TYPE_STRING, "audio", "encoding-name",
                                        G_TYPE_STRING, "OPUS", "clock-rate", G_TYPE_INT, 48'000, "payload", G_TYPE_INT,
                                        *offer.microphone_payload_type, nullptr));
    GstWebRTCRTPTransceiver* added = nullptr;
    g_signal_emit_by_name(webrtc.get(), "add-transceiver", GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY, opus.get(),
                          &added);
    if (added) gst_object_unref(added);
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

  GstWebRTCPeerConnectionState connection() const {
    GstWebRTCPeerConnectionState state{};
    g_object_get(webrtc.get(), "connection-state", &state, nullptr);
    return state;
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
              ErrorCode::unavailable, "WebRTC: no local address for receiving was found within {} s",
              kGatheringTimeout.count());
    lock.unlock();
    GstWebRTCSessionDescription* found = nullptr;
    g_object_get(webrtc.get(), "local-description", &found, nullptr);
    const Description local(found);
    gchar* lines = gst_sdp_message_as_text(local->sdp);
    answer = lines;
    g_free(lines);
    require(!video.source || agrees(local->sdp, "video", {"sendonly"}), ErrorCode::unsupported,
            "the offered video formats cannot be sent");
    if (!agrees(local->sdp, "audio", {"sendonly", "sendrecv"})) audio.source.reset();
    const std::scoped_lock listening(mutex);
    listens = listens && agrees(local->sdp, "audio", {"recvonly", "sendrecv"});
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

WebRtcPeer::WebRtcPeer(const WebRtcOffer& offer, const std::optional<WebRtcOffer::Format>& format,
                       const Options& options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.build(offer, format, options);
  s.restrict_ice(options);
  s.set_directions(offer);
  g_signal_connect(s.webrtc.get(), "notify::ice-gathering-state", G_CALLBACK(State::on_gathering), &s);
  g_signal_connect(s.webrtc.get(), "pad-added", G_CALLBACK(State::on_pad), &s);
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

bool WebRtcPeer::takes_audio() const noexcept { return state_->audio.source != nullptr; }

bool WebRtcPeer::listens() const noexcept { return state_->listens; }

void WebRtcPeer::add_candidate(unsigned medium, const std::string& candidate) {
  // "a=" stands before it in SDP only.
  const bool plausible =
      candidate.size() <= kMaxCandidateBytes && candidate.find_first_of("\r\n\0", 0, 3) == std::string::npos;
  require(plausible && (candidate.empty() || candidate.starts_with("candidate:")), ErrorCode::invalid_argument,
          "this is not an ICE candidate");
  if (!candidate.empty()) g_signal_emit_by_name(state_->webrtc.get(), "add-ice-candidate", medium, candidate.c_str());
}

std::vector<float> WebRtcPeer::heard() {
  Element from;
  {
    const std::scoped_lock lock(state_->mutex);
    if (!state_->heard) return {};
    from.reset(GST_ELEMENT(gst_object_ref(state_->heard.get())));
  }
  std::vector<float> samples;
  while (const Sample sample{gst_app_sink_try_pull_sample(GST_APP_SINK(from.get()), 0)}) {
    GstBuffer* buffer = gst_sample_get_buffer(sample.get());
    GstMapInfo map;
    if (!buffer || !gst_buffer_map(buffer, &map, GST_MAP_READ)) continue;
    const auto* begin = reinterpret_cast<const float*>(map.data);
    samples.insert(samples.end(), begin, begin + map.size / sizeof(float));
    gst_buffer_unmap(buffer, &map);
  }
  return samples;
}

void WebRtcPeer::push(const AccessUnit& unit, Time play) { state_->video.push(unit, play); }

void WebRtcPeer::push_audio(const AccessUnit& unit, Time play) {
  if (takes_audio() && connected()) state_->audio.push(unit, play);
}

bool WebRtcPeer::connected() const { return state_->connection() == GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED; }

bool WebRtcPeer::gone() const {
  const State& s = *state_;
  if (s.failed) return true;
  // Before the first report a connection may fail for want of candidates that are under way.
  const GstWebRTCPeerConnectionState connection = s.connection();
  const bool is_closed =
      connection == GST_WEBRTC_PEER_CONNECTION_STATE_CLOSED || connection == GST_WEBRTC_PEER_CONNECTION_STATE_FAILED;
  if (is_closed && s.reported) return true;
  return now() - s.alive.load() > (s.reported ? kSilence : kTimeToConnect);
}

}  // namespace rushes::media
