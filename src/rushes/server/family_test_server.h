// For tests that hold for every family: a server with a model of each, and what such a test has to know of a family:
// how one of its sessions is begun and given its work, when that is done, and what its video then has.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "rushes/media/audio_decoder.h"
#include "rushes/server/api/ditto/ditto_test_server.h"
#include "rushes/server/api/omniavatar/omniavatar_test_server.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/talk_test_server.h"

namespace rushes::server {

struct TestFamily {
  const char* name;   // in the names of the tests
  const char* model;  // as the server calls it
  json request;       // what begins a session, beside the model
  int64_t steps_per_block, frames_per_block;
  double fps;
  int64_t audio_hz;     // 0: its videos are silent
  const char* end;      // the state of a session whose work is done
  const char* missing;  // words of the answer to a request that lacks what `request` has; null: it is taken
  bool takes_speech() const { return audio_hz > 0; }
};

/// The work of a session is this long, unless it is endless.
inline constexpr int64_t kBlocks = 7;

inline std::string picture_in_base64() {
  const std::string png = picture();
  return encode_base64({reinterpret_cast<const uint8_t*>(png.data()), png.size()});
}

inline const std::vector<TestFamily>& test_families() {
  static const std::vector<TestFamily> families{
      {.name = "text_to_video",
       .model = "drawing",
       .request = {{"prompt", "a red circle"}, {"seed", 5}},
       .steps_per_block = 4,
       .frames_per_block = 12,
       .fps = 16,
       .audio_hz = 0,
       .end = "finished",
       .missing = "give prompt or prompts"},
      {.name = "talking_head",
       .model = "heads",
       .request = {{"image", picture_in_base64()}, {"seed", 5}},
       .steps_per_block = 1,
       .frames_per_block = generation::DrawingTalker::kBlockFrames,
       .fps = 25,
       .audio_hz = generation::DrawingTalker::kHz,
       .end = "stopped",
       .missing = "image is missing"},
#ifndef __SANITIZE_THREAD__  // a video and what is fed with speech have all threads that the others have
      {.name = "talking_head_with_live_options",
       .model = "dittos",
       .request = {{"image", picture_in_base64()}, {"seed", 5}},
       .steps_per_block = 1,
       .frames_per_block = generation::DrawingTalker::kBlockFrames,
       .fps = 25,
       .audio_hz = generation::DrawingTalker::kHz,
       .end = "stopped",
       .missing = "image is missing"},
      {.name = "avatar",
       .model = "avatars",
       .request = {{"prompt", "a woman in red speaks"}, {"image", picture_in_base64()}, {"seed", 5}},
       .steps_per_block = 1,
       .frames_per_block = generation::DrawingTalker::kBlockFrames,
       .fps = 25,
       .audio_hz = generation::DrawingTalker::kHz,
       .end = "stopped",
       .missing = nullptr},
#endif
  };
  return families;
}

inline std::string family_name(const testing::TestParamInfo<TestFamily>& info) { return info.param.name; }
inline void PrintTo(const TestFamily& family, std::ostream* out) { *out << family.name; }

inline std::string path(const std::string& id, const std::string& what = {}) { return "/v1/sessions/" + id + what; }

/// A data directory that outlives its servers, each of which has a model of every family behind one gate.
class FamilySuite : public testing::TestWithParam<TestFamily> {
 protected:
  static const TestFamily& family() { return GetParam(); }

  void start(const std::function<void(ServerOptions&)>& change = {}) {
    stop();
    const auto gate = std::make_shared<generation::Gate>();
    const auto before_block = [hook = gate->hook()](const generation::Request& request) { hook(request, 0); };
    std::vector<ModelSource> models;
    const auto add = [&](const char* name, auto make) {
      models.push_back({.name = name, .load = make, .at_start = true});
    };
    add("heads", [before_block] { return std::make_shared<generation::DrawingTalkModel>(before_block); });
    add("dittos", [before_block] { return std::make_shared<DrawingDitto>(before_block); });
    add("avatars", [before_block] { return std::make_shared<DrawingAvatar>(before_block); });
    server_ = std::make_unique<RunningServer>(
        [&](ServerOptions& options) {
          options.data_directory = directory();
          if (change) change(options);
        },
        std::move(models), gate);
  }
  /// Ends it, recordings included.
  void stop() { server_.reset(); }
  RunningServer& server() { return *server_; }
  const std::filesystem::path& directory() const { return data_.path; }
  std::filesystem::path file(const std::string& id) const { return directory() / (id + ".mp4"); }

  // ---- sessions ----

  static std::string body(const json& more = json::object()) {
    json all = family().request;
    all["model"] = family().model;
    all.update(more);
    return all.dump();
  }
  /// Asks for a session; it may be refused.
  Reply ask(const json& more = json::object()) { return server().request("POST", "/v1/sessions", body(more)); }
  /// A session with kBlocks blocks of work; its id.
  std::string begin(const json& more = json::object()) { return with_work(more, kBlocks); }
  /// More work for a head that listens.
  void feed_more(const std::string& id, int64_t blocks) { feed(id, speech_of(blocks)); }
  /// One with more work than a test waits for.
  std::string begin_endless(json more = json::object()) {
    if (!family().takes_speech()) more["segments"] = 0;
    return with_work(more, 20 * kBlocks);
  }
  /// Lets so many blocks be made, and returns when the next one is in work.
  void make_blocks(int64_t blocks) {
    const int64_t steps = blocks * family().steps_per_block + family().steps_per_block / 2;
    server().gate().allow(steps);
    ASSERT_TRUE(server().gate().wait_for(steps + 1));
  }
  /// Reads its events until its work is done and it has ended; all of them.
  std::vector<json> finish_work(const std::string& id) {
    TestClient client(server().port());
    EXPECT_EQ(client.upgrade(path(id, "/events")).status, 101);
    std::vector<json> all;
    for (Frame frame = client.read_message(); frame.opcode == 1; frame = client.read_message()) {
      all.push_back(json::parse(frame.payload));
      // A talking head would listen for ever.
      if (all.back()["type"] == "utterance_ended") server().request("POST", path(id, "/stop"));
    }
    return all;
  }
  /// The same, and waits for its recording.
  std::vector<json> finish(const std::string& id) {
    std::vector<json> all = finish_work(id);
    server().request("GET", path(id, "/video.mp4"));  // comes with the file, a moment after the events
    return all;
  }
  /// With the gate open: a session whose work is done.
  std::string make_video(const json& more = json::object()) {
    const std::string id = begin(more);
    EXPECT_EQ(finish(id).back()["state"], family().end);
    return id;
  }

  // ---- videos ----

  static std::size_t frames(int64_t blocks) { return static_cast<std::size_t>(blocks * family().frames_per_block); }
  /// What FFmpeg makes of it: so many blocks of pictures in time, with the sound that belongs to them, if any. The
  /// coder works in pieces of 1024 samples, and adds one before the first.
  static void expect_video(const std::string& mp4, int64_t blocks, double sound_tolerance = 2 * 1024.0 / 16'000) {
    const media::Bytes bytes(mp4.begin(), mp4.end());
    const auto pictures = media::decode_bytes("family_test.mp4", bytes);
    ASSERT_EQ(pictures.size(), frames(blocks));
    for (std::size_t i = 0; i < pictures.size(); ++i)
      EXPECT_NEAR(pictures[i].seconds - pictures[0].seconds, static_cast<double>(i) / family().fps, 1e-3);
    EXPECT_EQ(mp4.find("mp4a") != std::string::npos, family().audio_hz > 0);
    if (family().audio_hz == 0) return;
    const media::DecodedAudio sound = media::decode_audio(bytes);
    EXPECT_EQ(sound.hz, family().audio_hz);
    EXPECT_NEAR(sound.seconds(), static_cast<double>(pictures.size()) / family().fps, sound_tolerance);
  }
  void expect_recording(const std::string& id, int64_t blocks) const { expect_video(contents(file(id)), blocks); }
  /// Of a video that has ended: what was recorded while it grew, and what a process that is killed leaves of it.
  std::string fragments(const std::string& id);
  static std::string contents(const std::filesystem::path& file) {
    std::ifstream whole(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(whole), {}};
  }

 private:
  std::string with_work(const json& more, int64_t blocks) {
    // Before the session: it may be one that ends soon when nobody uses it.
    const std::string speech = family().takes_speech() ? speech_of(blocks) : "";
    std::string id = server().create(body(more));
    if (family().takes_speech()) feed(id, speech);
    return id;
  }
  std::string speech_of(int64_t blocks) const {
    const auto samples = frames(blocks) * generation::DrawingTalker::kFrameSamples;
    return media::wav_file(media::test_audio(samples), generation::DrawingTalker::kHz);
  }
  void feed(const std::string& id, const std::string& speech) {
    const Reply fed = server().request("POST", path(id, "/audio?end=true"), speech);
    EXPECT_EQ(fed.status, 202) << fed.body;
  }

  const ScratchFolder data_;
  std::unique_ptr<RunningServer> server_;
};

/// The names of a file's boxes.
inline std::vector<std::string> boxes(const std::string& mp4) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at + 8 <= mp4.size();) {
    names.push_back(mp4.substr(at + 4, 4));
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(mp4[at + i]);
    at += std::max<std::size_t>(size, 8);
  }
  return names;
}

/// What the header (mvhd, version 0) says of the length.
inline double seconds_in_header(const std::string& mp4) {
  const std::size_t at = mp4.find("mvhd") + 4 + 12;
  const auto number = [&](std::size_t offset) {
    uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(mp4.at(at + offset + i));
    return value;
  };
  return static_cast<double>(number(4)) / number(0);
}

inline std::string FamilySuite::fragments(const std::string& id) { return fragments_of(server().port(), id); }

}  // namespace rushes::server
