#include "rushes/media/webrtc_offer.h"

#include "rushes/base/error.h"
#include "rushes/media/gstreamer.h"

namespace rushes::media {
namespace gstreamer {

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
  require(ok && message != nullptr, ErrorCode::invalid_argument, "the body is not an SDP offer");
  return owned;
}

}  // namespace gstreamer

namespace {

using namespace gstreamer;

constexpr std::size_t kMaxOfferBytes = 64 << 10;
constexpr guint kMaxMedia = 16;
constexpr int kLeastPayloadType = 96, kMostPayloadType = 127;  // that GStreamer's payloaders send

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

bool has(const GstSDPMedia* media, const char* attribute) {
  return gst_sdp_media_get_attribute_val(media, attribute) != nullptr;
}

bool is(const GstSDPMedia* media, std::string_view kind) {
  return text(gst_sdp_media_get_media(media)) == kind && !has(media, "inactive");
}

/// Each payload type of `media` that can be sent, with what is said of it.
template <typename Use>
void each_format(const GstSDPMedia* media, const Use& use) {
  for (guint i = 0; i < gst_sdp_media_formats_len(media); ++i) {
    const int payload_type = std::atoi(gst_sdp_media_get_format(media, i));
    if (payload_type < kLeastPayloadType || payload_type > kMostPayloadType) continue;
    const Caps caps(gst_sdp_media_get_caps_from_media(media, payload_type));
    if (caps && gst_caps_get_size(caps.get()) > 0) use(payload_type, caps.get());
  }
}

void read_video(const GstSDPMedia* media, WebRtcOffer& offer) {
  int best_h264 = 0;
  std::optional<WebRtcOffer::Format> h264, vp8;
  each_format(media, [&](int payload_type, const GstCaps* caps) {
    Codec codec{};
    const int value = rank(caps, codec);
    if (codec == Codec::h264 && value > best_h264) {
      best_h264 = value;
      h264 = {.codec = codec, .payload_type = payload_type};
    } else if (codec == Codec::vp8 && value > 0 && !vp8) {
      vp8 = {.codec = codec, .payload_type = payload_type};
    }
  });
  for (const auto& format : {h264, vp8})
    if (format) offer.formats.push_back(*format);
}

/// Opus is always written as 48 kHz and two channels, whatever it carries (RFC 7587).
std::optional<int> find_opus(const GstSDPMedia* media) {
  std::optional<int> found;
  each_format(media, [&](int payload_type, const GstCaps* caps) {
    const GstStructure* format = gst_caps_get_structure(caps, 0);
    int clock_rate = 0;
    gst_structure_get_int(format, "clock-rate", &clock_rate);
    if (!found && clock_rate == 48'000 && text(gst_structure_get_string(format, "encoding-name")) == "OPUS")
      found = payload_type;
  });
  return found;
}

}  // namespace

WebRtcOffer WebRtcOffer::parse(std::string_view sdp) {
  require(sdp.size() <= kMaxOfferBytes, ErrorCode::too_large, "the SDP offer has {} bytes; at most {} are allowed",
          sdp.size(), kMaxOfferBytes);
  require(sdp.starts_with("v=0") && sdp.find('\0') == std::string_view::npos, ErrorCode::invalid_argument,
          "the body is not an SDP offer");
  shared_clock();
  const Sdp message = parse_sdp(sdp);
  const guint medias = gst_sdp_message_medias_len(message.get());
  require(medias <= kMaxMedia, ErrorCode::invalid_argument,
          "the SDP offer has {} media sections; at most {} are allowed", medias, kMaxMedia);
  WebRtcOffer offer{.sdp = std::string(sdp), .formats = {}, .opus_payload_type = {}, .microphone_payload_type = {}};
  const GstSDPMedia *video = nullptr, *audio = nullptr, *microphone = nullptr;  // the first of each
  for (guint i = 0; i < medias; ++i) {
    const GstSDPMedia* media = gst_sdp_message_get_media(message.get(), i);
    const bool receives = !has(media, "sendonly"), sends = !has(media, "recvonly");
    if (!video && is(media, "video") && receives) video = media;
    if (!audio && is(media, "audio") && receives) audio = media;
    if (!microphone && is(media, "audio") && sends) microphone = media;
  }
  if (audio) offer.opus_payload_type = find_opus(audio);
  if (microphone) offer.microphone_payload_type = find_opus(microphone);
  require(video || microphone, ErrorCode::invalid_argument,
          "the SDP offer asks neither to receive video (a=recvonly) nor to send audio");
  if (video) read_video(video, offer);
  require(!video || !offer.formats.empty(), ErrorCode::unsupported,
          "the SDP offer has neither H.264 (packetization-mode=1) nor VP8 with a payload type of {} to {}",
          kLeastPayloadType, kMostPayloadType);
  require(video || offer.microphone_payload_type, ErrorCode::unsupported,
          "the SDP offer does not offer Opus for the audio that it sends");
  return offer;
}

}  // namespace rushes::media
