// Stands in for webrtc_peer.cpp in a build without GStreamer.
#include "rushes/base/error.h"
#include "rushes/media/webrtc_peer.h"

namespace rushes::media {
namespace {

[[noreturn]] void absent() { fail(ErrorCode::unavailable, "this program was built without WebRTC (RUSHES_WEBRTC)"); }

}  // namespace

struct WebRtcPeer::State {};

WebRtcOffer WebRtcOffer::parse(std::string_view) { absent(); }
WebRtcPeer::WebRtcPeer(const WebRtcOffer&, const std::optional<WebRtcOffer::Format>&, const Options&) { absent(); }
WebRtcPeer::~WebRtcPeer() = default;
const std::string& WebRtcPeer::answer() const noexcept {
  static const std::string none;
  return none;
}
bool WebRtcPeer::takes_audio() const noexcept { return false; }
bool WebRtcPeer::listens() const noexcept { return false; }
void WebRtcPeer::add_candidate(unsigned, const std::string&) { absent(); }
std::vector<float> WebRtcPeer::heard() { return {}; }
WebRtcPeer::Time WebRtcPeer::now() { return Time(0); }
void WebRtcPeer::push(const AccessUnit&, Time) {}
void WebRtcPeer::push_audio(const AccessUnit&, Time) {}
bool WebRtcPeer::connected() const { return false; }
bool WebRtcPeer::gone() const { return true; }

}  // namespace rushes::media
