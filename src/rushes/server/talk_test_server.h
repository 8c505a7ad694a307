// For tests: a server whose talking heads draw, and the forms that its clients send.
#pragma once
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/drawing_talker.h"
#include "rushes/media/image.h"
#include "rushes/media/test_audio.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_output.h"
#include "rushes/media/video_reader.h"
#include "rushes/server/test_client.h"

namespace rushes::server {

using nlohmann::json;

inline constexpr auto kPatience = std::chrono::seconds(60);  // bounds failures only

inline std::string picture() {
  const media::Bytes png = media::encode_png(media::test_frame(64, 64, 3).data(), 64, 64);
  return {png.begin(), png.end()};
}

/// A PNG with the chunk before its data that only animations have.
inline std::string animation() {
  using namespace std::string_view_literals;
  constexpr std::size_t kHead = 33;  // signature and IHDR
  return picture().insert(kHead,
                          "\0\0\0\x08"
                          "acTL"
                          "\0\0\0\x02"
                          "\0\0\0\0"
                          "\0\0\0\0"sv);  // unchecked sum
}

/// With sound; each picture has a colour of its own.
inline std::string driving_video(int64_t frames, double fps) {
  const auto path = std::filesystem::temp_directory_path() / ("rushes_driving_" + std::to_string(getpid()) + ".mp4");
  const auto output =
      media::open_video_output({.target = path.string(), .width = 64, .height = 48, .fps = fps, .audio_hz = 16'000});
  const auto per_frame = static_cast<std::size_t>(16'000 / fps);
  for (int64_t i = 0; i < frames; ++i)
    output->write(media::test_frame(64, 48, i).data(), 1, media::test_audio(per_frame));
  output->finish();
  const auto bytes = media::read_video_file(path);
  std::filesystem::remove(path);
  return {bytes->begin(), bytes->end()};
}

/// A multipart form.
struct FormBody {
  std::string text;
  FormBody& add(const std::string& name, const std::string& value, bool is_file = false) {
    text += "--b0undary\r\nContent-Disposition: form-data; name=\"" + name + "\"";
    if (is_file) text += "; filename=\"" + name + ".bin\"\r\nContent-Type: application/octet-stream";
    text += "\r\n\r\n" + value + "\r\n";
    return *this;
  }
  std::string end() const { return text + "--b0undary--\r\n"; }
};

class TalkServer : public testing::Test {
 protected:
  /// `hook`: before each block; `model`: another one that draws heads; `examples`: beside it.
  std::unique_ptr<RunningServer> start(const std::function<void(ServerOptions&)>& change = {},
                                       generation::DrawingTalker::Hook hook = {},
                                       std::shared_ptr<const generation::DrawingTalkModel> model = {},
                                       std::filesystem::path examples = {}) {
    if (!model) model = std::make_shared<generation::DrawingTalkModel>(std::move(hook));
    ModelSource source{.name = "heads", .load = [model] { return model; }, .at_start = true};
    source.examples = std::move(examples);
    return std::make_unique<RunningServer>(
        [&](ServerOptions& options) {
          options.sessions.lanes = 2;
          if (change) change(options);
        },
        std::vector<ModelSource>{std::move(source)});
  }
  /// A folder with a portrait, removed at the end.
  std::filesystem::path with_an_example() {
    std::ofstream(examples_.path / "ada.png") << picture();
    return examples_.path;
  }
  static Reply post(const RunningServer& server, const std::string& path, const FormBody& form) {
    return server.request("POST", path, form.end(), "Content-Type: multipart/form-data; boundary=b0undary\r\n");
  }
  static Reply init(const RunningServer& server, const std::string& id, const std::string& mode = "reference",
                    const std::string& chunk = "0.5") {
    return post(server, "/api/audio-driven/chunked/init",
                FormBody()
                    .add("image", picture(), true)
                    .add("session_id", id)
                    .add("crop", "False")
                    .add("seed", "42")
                    .add("nfe", "5")
                    .add("cfg_scale", "2.0")
                    .add("chunk_duration", chunk)
                    .add("audio_sample_rate", "24000")
                    .add("mode", mode));
  }
  static Reply feed(const RunningServer& server, const std::string& id, const std::string& wav, bool is_final) {
    return post(server, "/api/audio-driven/chunked/feed",
                FormBody()
                    .add("session_id", id)
                    .add("audio_chunk", wav, true)
                    .add("is_final_chunk", is_final ? "True" : "false"));
  }
  static json status(const RunningServer& server, const std::string& id) {
    return server.request("GET", "/api/audio-driven/chunked/status/" + id).json();
  }
  /// Asks until the status is one of these.
  static json wait_for(const RunningServer& server, const std::string& id, const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      json now = status(server, id);
      if (now["status"] == wanted || std::chrono::steady_clock::now() > deadline) {
        EXPECT_EQ(now["status"], wanted) << now;
        return now;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

 private:
  const ScratchFolder examples_;
};

}  // namespace rushes::server
