// For tests only: the server with a model that draws what a test can read back from a picture: two rows of 32 cells,
// black or white, hold the wall clock (milliseconds, lower 32 bits) at which the picture was drawn and its number;
// below is one colour. Words of the prompt: red, green, blue; "asap" draws as fast as it can, else at fps; "single"
// makes blocks of one picture; "beep" gives it a sound: a tone of 40 ms that begins with the first picture of each
// second, else silence. usage: serve_test_video serve --listen ADDRESS:PORT --data-dir DIRECTORY
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <thread>

#include "rushes/base/error.h"
#include "rushes/generation/model.h"
#include "rushes/server/server.h"

namespace rushes {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kCell = 20, kCells = 32;
constexpr int64_t kAudioHz = 16'000, kBeepSamples = kAudioHz / 25;

class TestVideo final : public generation::Generator {
 public:
  explicit TestVideo(const generation::Request& request) : prompt_(request.prompts.at(0)) {
    format_.width = request.width.value_or(kCells * kCell);
    format_.height = request.height.value_or(352);
    require(format_.width >= kCells * kCell && format_.height >= 4 * kCell, ErrorCode::invalid_argument,
            "the picture must have 640x80 pixels at least");
    format_.fps = request.fps.value_or(16);
    format_.segments = generation::segments_of(request);
    if (says("beep")) format_.audio_hz = kAudioHz;
    per_block_ = says("single") ? 1 : 12;
    format_.blocks_per_segment = format_.blocks_per_later_segment = says("single") ? 84 : 7;
    if (format_.segments > 0) format_.video_frames = format_.segments * format_.blocks_per_segment * per_block_;
  }

  generation::VideoFormat format() const override { return format_; }
  bool at_block_border() const override { return true; }
  std::unique_ptr<Generator> fork() const override { return std::make_unique<TestVideo>(*this); }
  int64_t bytes() const override { return 0; }

  generation::StepResult step(const generation::Inbox& inbox) override {
    if (inbox.prompt) prompt_ = *inbox.prompt;
    const int64_t first = blocks_ * per_block_;
    if (blocks_ == 0) start_ = Clock::now();
    // A block is there when its first picture is due, so that what is pushed out in real time is drawn in time.
    if (!says("asap"))
      std::this_thread::sleep_until(start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                                                 static_cast<double>(first) / format_.fps)));
    const auto pixels = std::make_shared<std::vector<uint8_t>>(
        static_cast<std::size_t>(per_block_ * format_.height * format_.width * 3));
    for (int64_t t = 0; t < per_block_; ++t) draw(pixels->data() + t * format_.height * format_.width * 3, first + t);
    generation::FrameBlock block;
    block.rgb = std::shared_ptr<const uint8_t>(pixels, pixels->data());
    block.video_frames = per_block_;
    block.height = format_.height;
    block.width = format_.width;
    block.fps = format_.fps;
    block.first_video_frame = first;
    block.segment = blocks_ / format_.blocks_per_segment;
    block.block = blocks_ % format_.blocks_per_segment;
    block.latent_frames = 3;
    block.prompt = prompt_;
    if (format_.audio_hz > 0) block.audio = audio(first, first + per_block_);
    ++blocks_;
    generation::StepResult result;
    result.events.push_back(std::move(block));
    if (format_.segments > 0 && blocks_ == format_.segments * format_.blocks_per_segment)
      result.outcome = generation::StepOutcome::finished;
    return result;
  }

 private:
  bool says(const std::string& word) const { return prompt_.find(word) != std::string::npos; }

  generation::Audio audio(int64_t first_frame, int64_t end_frame) const {
    const auto sample_at = [&](int64_t frame) {
      return std::llround(static_cast<double>(frame * kAudioHz) / format_.fps);
    };
    const int64_t first = sample_at(first_frame), count = sample_at(end_frame) - first;
    const auto samples = std::make_shared<std::vector<float>>(static_cast<std::size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t into_second = (first + i) % kAudioHz;
      if (into_second < kBeepSamples)
        (*samples)[static_cast<std::size_t>(i)] =
            0.7f * static_cast<float>(std::sin(2 * M_PI * 1000 * static_cast<double>(into_second) / kAudioHz));
    }
    return {.samples = samples, .first_sample = first, .hz = kAudioHz};
  }

  void draw(uint8_t* rgb, int64_t number) const {
    const uint8_t body[3] = {static_cast<uint8_t>(says("red") ? 255 : 0), static_cast<uint8_t>(says("green") ? 255 : 0),
                             static_cast<uint8_t>(says("blue") ? 255 : 0)};
    for (int64_t i = 0; i < format_.height * format_.width; ++i) std::copy(body, body + 3, rgb + 3 * i);
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    const int64_t rows[] = {now, number};
    for (int64_t y = 0; y < 2 * kCell; ++y)
      for (int64_t x = 0; x < kCells * kCell; ++x)
        std::fill_n(rgb + 3 * (y * format_.width + x), 3,
                    static_cast<uint8_t>(rows[y / kCell] >> (x / kCell) & 1 ? 255 : 0));
  }

  std::string prompt_;
  generation::VideoFormat format_;
  int64_t per_block_ = 12, blocks_ = 0;
  Clock::time_point start_;
};

class TestVideoModel final : public generation::Model {
 public:
  const generation::ModelCard& card() const override { return card_; }
  generation::Capabilities capabilities() const override {
    using generation::Modality;
    return {.takes = Modality::text,
            .needs = Modality::text,
            .feeds = Modality::text,
            .yields = Modality::video,
            .forks = true,
            .endless = true};
  }
  std::span<const OptionField> options() const override { return {}; }
  std::unique_ptr<generation::Plan> plan(const generation::Request& request) const override {
    return std::make_unique<Planned>(request);
  }
  std::unique_ptr<generation::Generator> start(std::unique_ptr<generation::Plan> plan) const override {
    return std::make_unique<TestVideo>(dynamic_cast<Planned&>(*plan).request);
  }

 private:
  struct Planned final : generation::Plan {
    explicit Planned(generation::Request given) : request(std::move(given)) {}
    generation::VideoFormat format() const override { return TestVideo(request).format(); }
    generation::Request request;
  };
  const generation::ModelCard card_{.name = "test-video", .family = "test", .description = "draws numbers, for tests"};
};

int run(int argc, char** argv) {
  server::ServerOptions options;
  options.handle_signals = true;
  options.web_root = ".";
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--listen")
      options.listen = {value};
    else if (name == "--data-dir")
      options.data_directory = value;
    else if (name == "--web-root")
      options.web_root = value;
    else
      fail(ErrorCode::invalid_argument, "unknown option {}", name);
  }
  server::Server server(options, std::make_shared<TestVideoModel>());
  for (const std::string& url : server.urls()) std::printf("rushes serves at %s\n", url.c_str());
  std::fflush(stdout);
  server.run();
  return 0;
}

}  // namespace
}  // namespace rushes

int main(int argc, char** argv) {
  try {
    return rushes::run(argc, argv);
  } catch (const rushes::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return rushes::exit_code(error.code());
  }
}
