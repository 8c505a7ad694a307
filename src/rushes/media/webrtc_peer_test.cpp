// What an offer must look like, and what is said to one that does not. That a browser plays what it gets is tested in
// tests/e2e/test_whep.py.
#include "rushes/media/webrtc_peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <optional>
#include <set>
#include <thread>

#include "rushes/base/error.h"
#include "rushes/media/test_offer.h"

#ifdef RUSHES_HAS_WEBRTC
#include "rushes/media/gstreamer.h"
#endif

namespace rushes::media {
namespace {

using namespace test_offer;

ErrorCode refusal(const std::string& sdp) {
  try {
    WebRtcOffer::parse(sdp);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

#ifdef RUSHES_HAS_WEBRTC

TEST(WebRtcOffer, prefers_constrained_baseline_and_falls_back_to_vp8) {
  const auto both = WebRtcOffer::parse(offer("96 102 108 104", kVp8 + kH264));
  ASSERT_EQ(both.formats.size(), 2u);
  EXPECT_EQ(both.formats[0].codec, Codec::h264);
  EXPECT_EQ(both.formats[0].payload_type, 108);
  EXPECT_EQ(both.formats[1].codec, Codec::vp8);
  EXPECT_EQ(both.formats[1].payload_type, 96);
  const auto one = WebRtcOffer::parse(offer("96", kVp8));
  ASSERT_EQ(one.formats.size(), 1u);
  EXPECT_EQ(one.formats[0].codec, Codec::vp8);
}

TEST(WebRtcOffer, takes_opus_wherever_it_stands_if_it_would_be_received) {
  const std::string video = medium("video", "0", "96", kVp8);
  const auto opus = [](const std::string& sdp) { return WebRtcOffer::parse(sdp).opus_payload_type; };
  for (const std::string direction : {"recvonly", "sendrecv"}) {
    const std::string audio = medium("audio", "1", "111 0", kOpus, direction);
    EXPECT_EQ(opus(session("0 1", video + audio)), 111);
    EXPECT_EQ(opus(session("1 0", audio + video)), 111);
  }
  EXPECT_EQ(opus(session("0", video)), std::nullopt);
  EXPECT_EQ(opus(session("0 1", video + medium("audio", "1", "0", "a=rtpmap:0 PCMU/8000\r\n"))), std::nullopt);
  for (const std::string direction : {"sendonly", "inactive"})
    EXPECT_EQ(opus(session("1 0", medium("audio", "1", "111", kOpus, direction) + video)), std::nullopt);
}

/// Lines of an answer that say what becomes of its media.
std::vector<std::string> gist(const std::string& sdp) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < sdp.size();) {
    const std::size_t end = std::min(sdp.find('\n', begin), sdp.size());
    std::string line = sdp.substr(begin, end - begin);
    while (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("m=")) lines.push_back(line.substr(0, line.find(' ')));
    if (line == "a=sendonly" || line == "a=inactive" || line == "a=recvonly" || line == "a=sendrecv" ||
        line.starts_with("a=rtpmap"))
      lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

TEST(WebRtcPeer, sends_what_is_taken_in_the_order_of_the_offer) {
  const std::string video = medium("video", "v", "96", kVp8), audio = medium("audio", "a", "111 0", kOpus);
  using Audio = WebRtcPeer::Options::Audio;
  const auto answer = [](const std::string& sdp, Audio audio, bool takes_audio) {
    const auto parsed = WebRtcOffer::parse(sdp);
    const WebRtcPeer peer(parsed, parsed.formats.at(0), {.audio = audio});
    EXPECT_EQ(peer.takes_audio(), takes_audio);
    return gist(peer.answer());
  };
  using testing::ElementsAre;
  EXPECT_THAT(answer(session("a v", audio + video), Audio::if_offered, true),
              ElementsAre("m=audio", "a=rtpmap:111 OPUS/48000/2", "a=sendonly", "m=video", "a=rtpmap:96 VP8/90000",
                          "a=sendonly"));
  EXPECT_THAT(answer(session("v a", video + audio), Audio::if_offered, true),
              ElementsAre("m=video", "a=rtpmap:96 VP8/90000", "a=sendonly", "m=audio", "a=rtpmap:111 OPUS/48000/2",
                          "a=sendonly"));
  EXPECT_THAT(answer(session("v", video), Audio::if_offered, false),
              ElementsAre("m=video", "a=rtpmap:96 VP8/90000", "a=sendonly"));
  const auto silent = answer(session("a v", audio + video), Audio::none, false);
  EXPECT_EQ(std::count(silent.begin(), silent.end(), "a=sendonly"), 1);
}

TEST(WebRtcOffer, finds_a_microphone_that_speaks_opus) {
  const std::string video = medium("video", "0", "96", kVp8);
  const auto microphone = [](const std::string& sdp) { return WebRtcOffer::parse(sdp).microphone_payload_type; };
  for (const std::string direction : {"sendonly", "sendrecv"}) {
    const std::string audio = medium("audio", "1", "111 0", kOpus, direction);
    EXPECT_EQ(microphone(session("1", audio)), 111);
    EXPECT_EQ(microphone(session("0 1", video + audio)), 111);
  }
  for (const std::string direction : {"recvonly", "inactive"})
    EXPECT_EQ(microphone(session("0 1", video + medium("audio", "1", "111", kOpus, direction))), std::nullopt);
  EXPECT_TRUE(WebRtcOffer::parse(session("1", medium("audio", "1", "111", kOpus, "sendonly"))).formats.empty());
  EXPECT_EQ(refusal(session("1", medium("audio", "1", "0", "a=rtpmap:0 PCMU/8000\r\n", "sendonly"))),
            ErrorCode::unsupported);
  EXPECT_EQ(refusal(session("1", medium("audio", "1", "111", kOpus, "recvonly"))), ErrorCode::invalid_argument);
}

TEST(WebRtcPeer, hears_a_microphone_beside_what_it_sends_or_alone) {
  using testing::ElementsAre;
  const auto answer = [](const std::string& sdp, int64_t hz, bool listens) {
    const auto parsed = WebRtcOffer::parse(sdp);
    const auto format = parsed.formats.empty() ? std::nullopt : std::optional(parsed.formats.front());
    WebRtcPeer peer(parsed, format, {.audio = WebRtcPeer::Options::Audio::if_offered, .microphone_hz = hz});
    EXPECT_EQ(peer.listens(), listens);
    EXPECT_TRUE(peer.heard().empty());
    return gist(peer.answer());
  };
  const std::string video = medium("video", "v", "96", kVp8);
  const std::string opus = "a=rtpmap:111 OPUS/48000/2", vp8 = "a=rtpmap:96 VP8/90000";
  const std::string both = session("a v", medium("audio", "a", "111 0", kOpus, "sendrecv") + video);
  EXPECT_THAT(answer(both, 16'000, true), ElementsAre("m=audio", opus, "a=sendrecv", "m=video", vp8, "a=sendonly"));
  EXPECT_THAT(answer(both, 0, false), ElementsAre("m=audio", opus, "a=sendonly", "m=video", vp8, "a=sendonly"));
  EXPECT_THAT(answer(session("a", medium("audio", "a", "0 111", kOpus, "sendonly")), 16'000, true),
              ElementsAre("m=audio", opus, "a=recvonly"));
  // A page that receives sound by one medium and sends its microphone by another.
  EXPECT_THAT(answer(session("a v m", medium("audio", "a", "111", kOpus) + video +
                                          medium("audio", "m", "111", kOpus, "sendrecv")),
                     16'000, true),
              ElementsAre("m=audio", opus, "a=sendonly", "m=video", vp8, "a=sendonly", "m=audio", opus, "a=recvonly"));
}

TEST(WebRtcPeer, takes_candidates_and_nothing_else) {
  const auto offer = WebRtcOffer::parse(session("v", medium("video", "v", "96", kVp8)));
  WebRtcPeer peer(offer, offer.formats.at(0), {});
  peer.add_candidate(0, "candidate:1 1 UDP 2122252543 127.0.0.1 50000 typ host");
  peer.add_candidate(7, "candidate:1 1 UDP 2122252543 127.0.0.1 50000 typ host");
  peer.add_candidate(0, "candidate:this is none");
  peer.add_candidate(0, "");
  for (const std::string& bad : {std::string("a=x"), std::string("candidate:1\r\na=x"), std::string("candidate:\0", 11),
                                 "candidate:" + std::string(5000, '1')})
    EXPECT_THROW(peer.add_candidate(0, bad), Error) << bad;
}

TEST(WebRtcPeer, names_one_stream_for_both_so_that_browsers_keep_them_together) {
  const auto offer =
      WebRtcOffer::parse(session("v a", medium("video", "v", "96", kVp8) + medium("audio", "a", "111 0", kOpus)));
  const WebRtcPeer peer(offer, offer.formats.at(0), {.audio = WebRtcPeer::Options::Audio::if_offered});
  const auto streams = [&](const std::string& mark) {
    std::set<std::string> found;
    const std::string& sdp = peer.answer();
    for (std::size_t at = sdp.find(mark); at != std::string::npos; at = sdp.find(mark, at + 1)) {
      const std::size_t begin = at + mark.size();
      found.insert(sdp.substr(begin, sdp.find_first_of(" \r\n", begin) - begin));
    }
    return found;
  };
  EXPECT_EQ(streams(" cname:").size(), 1u) << peer.answer();
  EXPECT_EQ(streams("msid:").size(), 1u) << peer.answer();
}

/// GStreamer's own peer, whose every packet of sound says that it comes from another source.
class ManySources {
 public:
  ManySources() {
    gstreamer::shared_clock();
    GError* error = nullptr;
    pipeline_.reset(gst_parse_launch(
        "webrtcbin name=peer bundle-policy=max-bundle audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=1 ! "
        "opusenc ! rtpopuspay pt=111 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.",
        &error));
    EXPECT_EQ(error, nullptr) << (error ? error->message : "");
    g_clear_error(&error);
    webrtc_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "peer"));
    g_signal_connect(pipeline_.get(), "deep-element-added", G_CALLBACK(on_element), this);
    GObject* ice = nullptr;
    g_object_get(webrtc_.get(), "ice-agent", &ice, nullptr);
    gboolean taken = FALSE;
    g_signal_emit_by_name(ice, "add-local-ip-address", "127.0.0.1", &taken);
    g_object_unref(ice);
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  }
  ~ManySources() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  ManySources(const ManySources&) = delete;
  ManySources& operator=(const ManySources&) = delete;

  std::string offer() {
    const gstreamer::Promise created = ask("create-offer", static_cast<void*>(nullptr));
    GstWebRTCSessionDescription* found = nullptr;
    gst_structure_get(gst_promise_get_reply(created.get()), "offer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &found,
                      nullptr);
    const gstreamer::Description local(found);
    ask("set-local-description", static_cast<void*>(local.get()));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    GstWebRTCICEGatheringState gathering{};
    while (gathering != GST_WEBRTC_ICE_GATHERING_STATE_COMPLETE && std::chrono::steady_clock::now() < deadline)
      g_object_get(webrtc_.get(), "ice-gathering-state", &gathering, nullptr);
    g_object_get(webrtc_.get(), "local-description", &found, nullptr);
    const gstreamer::Description gathered(found);
    gchar* lines = gst_sdp_message_as_text(gathered->sdp);
    std::string text = lines;
    g_free(lines);
    return text;
  }
  void take(const std::string& answer) {
    const gstreamer::Description remote(
        gst_webrtc_session_description_new(GST_WEBRTC_SDP_TYPE_ANSWER, gstreamer::parse_sdp(answer).release()));
    ask("set-remote-description", static_cast<void*>(remote.get()));
  }
  static constexpr std::chrono::seconds kPatience{30};

 private:
  static void on_element(GstBin*, GstBin*, GstElement* element, gpointer opaque) {
    GstElementFactory* factory = gst_element_get_factory(element);
    if (!factory || gstreamer::text(GST_OBJECT_NAME(factory)) != "nicesink") return;
    GstPad* pad = gst_element_get_static_pad(element, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_packet, opaque, nullptr);
    gst_object_unref(pad);
  }
  static GstPadProbeReturn on_packet(GstPad*, GstPadProbeInfo* info, gpointer opaque) {
    GstBuffer* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    uint8_t head[2]{};
    gst_buffer_extract(buffer, 0, head, sizeof head);
    if (head[0] < 128 || head[0] > 191 || (head[1] >= 192 && head[1] <= 223)) return GST_PAD_PROBE_OK;
    const uint32_t source = ++static_cast<ManySources*>(opaque)->sources_;
    gst_buffer_fill(buffer, 8, &source, sizeof source);
    return GST_PAD_PROBE_OK;
  }
  gstreamer::Promise ask(const char* action, void* argument) {
    gstreamer::Promise promise(gst_promise_new());
    g_signal_emit_by_name(webrtc_.get(), action, argument, promise.get());
    EXPECT_EQ(gst_promise_wait(promise.get()), GST_PROMISE_RESULT_REPLIED) << action;
    return promise;
  }

  std::atomic<uint32_t> sources_ = 0;
  gstreamer::Element pipeline_, webrtc_;
};

int64_t threads_of_this_process() {
  std::ifstream status("/proc/self/status");
  int64_t threads = 0;
  for (std::string word; status >> word;)
    if (word == "Threads:") status >> threads;
  return threads;
}

TEST(WebRtcPeer, drops_packets_of_more_sources_than_a_peer_may_have) {
  constexpr int64_t kSources = 3;
  const auto dropped = std::make_shared<std::atomic<int64_t>>(0);
  ManySources caller;
  const auto offer = WebRtcOffer::parse(caller.offer());
  const WebRtcPeer peer(offer, std::nullopt,
                        {.microphone_hz = 16'000, .max_sources = kSources, .dropped_packets = dropped});
  caller.take(peer.answer());
  const auto wait_for = [&](int64_t packets) {
    const auto deadline = std::chrono::steady_clock::now() + ManySources::kPatience;
    while (*dropped < packets && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_GE(*dropped, packets);
  };
  wait_for(10);
  const int64_t before = threads_of_this_process();
  wait_for(100);
  EXPECT_LE(threads_of_this_process(), before + 2);
}

TEST(WebRtcOffer, refuses_what_it_cannot_serve) {
  EXPECT_EQ(refusal(""), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal("{\"sdp\": 1}"), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal("v=0"), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal("v=0\r\n" + std::string(70'000, 'a')), ErrorCode::too_large);
  EXPECT_EQ(refusal(offer("96", kVp8, "sendonly")), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal(offer("97", "a=rtpmap:97 AV1/90000\r\n")), ErrorCode::unsupported);
  EXPECT_EQ(refusal(offer("35", "a=rtpmap:35 VP8/90000\r\n")), ErrorCode::unsupported);
  EXPECT_EQ(refusal(offer("104", kH264.substr(kH264.find("a=rtpmap:104")))), ErrorCode::unsupported);
  EXPECT_EQ(refusal(offer("999999999999 -1 x", "a=rtpmap:999999999999 VP8/90000\r\n")), ErrorCode::unsupported);
  std::string many = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
  for (int i = 0; i < 40; ++i) many += "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\n" + kVp8;
  EXPECT_EQ(refusal(many), ErrorCode::invalid_argument);
}

TEST(WebRtcOffer, any_cut_or_changed_offer_is_refused_or_read) {
  const std::string whole = offer("96 102 108 104", kVp8 + kH264);
  for (std::size_t i = 0; i < whole.size(); i += 7) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    for (const std::string& sdp : {whole.substr(0, i), changed}) try {
        EXPECT_FALSE(WebRtcOffer::parse(sdp).formats.empty());
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::unsupported)
            << error.what();
      }
  }
}

#else

TEST(WebRtcOffer, says_that_it_was_left_out) { EXPECT_EQ(refusal(offer("96", kVp8)), ErrorCode::unavailable); }

#endif

}  // namespace
}  // namespace rushes::media
