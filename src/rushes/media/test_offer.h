// For tests: SDP offers as browsers send them. Their addresses lead nowhere: whoever answers waits for a peer that
// never comes.
#pragma once
#include <string>

namespace rushes::media::test_offer {

inline std::string medium(const std::string& kind, const std::string& mid, const std::string& formats,
                          const std::string& attributes, const std::string& direction = "recvonly") {
  return "m=" + kind + " 9 UDP/TLS/RTP/SAVPF " + formats +
         "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlBB\r\n"
         "a=fingerprint:sha-256 "
         "19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2\r\n"
         "a=setup:actpass\r\na=mid:" +
         mid + "\r\na=" + direction + "\r\na=rtcp-mux\r\n" + attributes;
}
inline std::string session(const std::string& mids, const std::string& media) {
  return "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE " + mids + "\r\n" + media;
}
/// As Chromium sends it, shortened.
inline std::string offer(const std::string& formats, const std::string& attributes,
                         const std::string& direction = "recvonly") {
  return session("0", medium("video", "0", formats, attributes, direction));
}
inline const std::string kVp8 = "a=rtpmap:96 VP8/90000\r\n";
inline const std::string kH264 =
    "a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n"
    "a=rtpmap:108 H264/90000\r\na=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
    "a=rtpmap:104 H264/90000\r\na=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n";

inline const std::string kOpus =
    "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "a=rtpmap:0 PCMU/8000\r\n";

/// Of one that would watch, and of one that would speak.
inline std::string of_viewer() { return offer("102 108 104", kH264); }
inline std::string of_speaker() { return session("0", medium("audio", "0", "111", kOpus, "sendonly")); }

}  // namespace rushes::media::test_offer
