// Laws of talking heads: what the speech's cutting may change (nothing), and what frames and sound add up to.
#include "rushes/generation/imtalker/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "rushes/base/error.h"
#include "rushes/generation/imtalker/family.h"
#include "rushes/generation/imtalker/model.h"
#include "rushes/generation/spoken_test_video.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using Mode = TalkMode;
using testing::HasSubstr;

const Model& model() {
  static const auto kModel = random_talk_model();
  return *kModel;
}

Request request_of(Mode mode = Mode::aligned, double chunk_seconds = 0.2, int64_t height = 128, int64_t width = 128) {
  Request request;
  request.image = test_picture(height, width);
  request.seed = 42;
  request.options.set("mode", std::string(mode == Mode::aligned ? "aligned" : "reference"));
  request.options.set("chunk_duration", chunk_seconds);
  return request;
}

Video talk(const Request& request, const std::vector<float>& wave, const std::vector<int64_t>& pieces,
           End end = End::with_the_last_piece) {
  return talk(*start(model(), request), wave, pieces, {}, end);
}

TEST(TalkGenerator, the_same_speech_gives_the_same_video_in_however_many_pieces_it_comes) {
  const std::vector<float> wave = speech(7900);
  const Video whole = talk(request_of(), wave, {7900});
  EXPECT_EQ(whole.frames, 13);
  EXPECT_EQ(whole.sound, wave);
  for (const std::vector<int64_t>& pieces :
       std::vector<std::vector<int64_t>>{{3200}, {640}, {7001}, {1, 5000, 0, 37}}) {
    SCOPED_TRACE(pieces.front());
    const Video video = talk(request_of(), wave, pieces, End::apart);
    EXPECT_EQ(video.frames, whole.frames);
    EXPECT_TRUE(video.pixels == whole.pixels);
    EXPECT_EQ(video.sound, wave);
  }
}

TEST(TalkGenerator, frames_add_up_for_every_length_of_speech) {
  for (const int64_t samples : {0, 1, 399, 640, 641, 3199, 3200, 3201}) {
    SCOPED_TRACE(samples);
    const Video video = talk(request_of(), speech(samples), {1000}, End::apart);
    EXPECT_EQ(video.frames, (samples + 639) / 640);
    EXPECT_EQ(video.sound.size(), static_cast<std::size_t>(samples));
  }
}

TEST(TalkGenerator, no_block_goes_over_the_border_of_a_segment) {
  const Video video = talk(request_of(Mode::aligned, 0.28), speech(640 * 53), {100'000});
  int64_t at = 0;
  for (const int64_t frames : video.blocks) {
    EXPECT_EQ(at / 50, (at + frames - 1) / 50) << at;
    at += frames;
  }
  EXPECT_EQ(at, 53);
}

TEST(TalkGenerator, windows_of_the_reference_overlap_and_their_frames_are_all_kept) {
  // Three pieces of half a second and one window for the rest: the published client's sequence.
  const Video video = talk(request_of(Mode::reference, 0.5), speech(24'000), {8000});
  EXPECT_EQ(video.frames, 52);
  EXPECT_TRUE(video.sound.empty());
  const Video whole = talk(request_of(Mode::reference, 0.5), speech(24'000), {24'000});
  EXPECT_TRUE(whole.pixels == video.pixels);
  EXPECT_EQ(talk(request_of(Mode::reference, 0.5), {}, {1}).frames, 0);
}

TEST(TalkGenerator, windows_of_the_reference_start_from_the_same_noise) {
  const std::vector<float> silence(16'000);
  const Video video = talk(request_of(Mode::reference, 0.5), silence, {16'000});
  const std::size_t window = 13 * 128 * 128 * 3;
  ASSERT_GE(video.pixels.size(), 2 * window);
  EXPECT_EQ(std::memcmp(video.pixels.data(), video.pixels.data() + window, window), 0);
}

TEST(TalkGenerator, speech_seed_pose_and_gaze_change_the_video) {
  const std::vector<float> wave = speech(6400);
  const Video plain = talk(request_of(), wave, {6400});
  EXPECT_FALSE(talk(request_of(), std::vector<float>(6400), {6400}).pixels == plain.pixels);
  Request request = request_of();
  request.seed = 43;
  EXPECT_FALSE(talk(request, wave, {6400}).pixels == plain.pixels);
  request = request_of();
  request.options.set("pose_style", std::vector<double>{20, 10, -5});
  EXPECT_FALSE(talk(request, wave, {6400}).pixels == plain.pixels);
  request = request_of();
  request.options.set("gaze_style", std::vector<double>{0.5, -1});
  EXPECT_FALSE(talk(request, wave, {6400}).pixels == plain.pixels);
}

TEST(TalkGenerator, without_crop_the_face_moves_in_the_whole_picture) {
  Request request = request_of(Mode::aligned, 0.2, 151, 201);
  request.options.set("crop", false);
  const VideoFormat format = model().plan(request)->format();
  EXPECT_EQ(format.height, 150);
  EXPECT_EQ(format.width, 200);
  const Video video = talk(request, speech(3200), {3200});
  ASSERT_EQ(video.pixels.size(), static_cast<std::size_t>(5 * 150 * 200 * 3));
  // The square lies in the middle; left of it nothing changes.
  EXPECT_EQ(video.pixels[0], request.image->rgb.get()[0]);
  EXPECT_EQ(video.pixels[200 * 3], request.image->rgb.get()[201 * 3]);
}

TEST(TalkGenerator, a_fork_goes_on_as_its_origin_would) {
  const std::vector<float> wave = speech(6400);
  const auto generator = start(model(), request_of());
  Video video;
  Inbox inbox{.prompt = {}, .speech = {wave.begin(), wave.begin() + 3200}};
  for (StepOutcome outcome = StepOutcome::again; outcome == StepOutcome::again; inbox = {}) {
    const StepResult result = generator->step(inbox);
    outcome = result.outcome;
    take(result, video);
  }
  ASSERT_TRUE(generator->at_block_border());
  const auto fork = generator->fork();
  Video forked = video;
  for (const auto& [each, into] : {std::pair(generator.get(), &video), std::pair(fork.get(), &forked)}) {
    inbox = {.prompt = {}, .speech = {wave.begin() + 3200, wave.end()}, .end_of_speech = true};
    for (StepOutcome outcome = StepOutcome::again; outcome == StepOutcome::again; inbox = {}) {
      const StepResult result = each->step(inbox);
      outcome = result.outcome;
      take(result, *into);
    }
  }
  EXPECT_EQ(video.frames, 10);
  EXPECT_TRUE(video.pixels == forked.pixels);
}

TEST(TalkGenerator, a_fork_does_not_copy_the_minutes_of_speech_that_wait) {
  expect_forks_to_copy_no_speech(*start(model(), request_of()));
}

TEST(TalkGenerator, memory_does_not_grow_with_the_speech) {
  const auto generator = start(model(), request_of());
  const std::vector<float> wave = speech(3200);
  int64_t most_early = 0, most_late = 0;
  for (int piece = 0; piece < 10; ++piece) {
    Inbox inbox{.prompt = {}, .speech = wave};
    while (generator->step(inbox).outcome == StepOutcome::again) inbox = {};
    int64_t& most = piece < 5 ? most_early : most_late;
    most = std::max(most, generator->bytes());
  }
  EXPECT_LE(most_late, most_early);
}

TEST(TalkModel, requests_out_of_range_are_refused_with_the_field) {
  const struct {
    const char* words;
    std::function<void(Request&)> spoil;
  } cases[] = {
      {"image is missing", [](Request& r) { r.image.reset(); }},
      {"chunk_duration", [](Request& r) { r.options.set("chunk_duration", static_cast<double>(11)); }},
      {"chunk_duration", [](Request& r) { r.options.set("chunk_duration", static_cast<double>(std::nan(""))); }},
      {"nfe", [](Request& r) { r.options.set("nfe", int64_t{1}); }},
      {"cfg_scale", [](Request& r) { r.options.set("cfg_scale", -1.0); }},
      {"crop_scale", [](Request& r) { r.options.set("crop_scale", 0.0); }},
      {"pose_style",
       [](Request& r) {
         r.options.set("pose_style", std::vector<double>{0, 1e9, 0});
       }},
      {"gaze_style",
       [](Request& r) {
         r.options.set("gaze_style", std::vector<double>{std::nan(""), 0});
       }},
      {"at least 32", [](Request& r) { r.image->height = 8; }},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.words);
    Request request = request_of();
    each.spoil(request);
    try {
      model().plan(request);
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(each.words));
    }
  }
}

TEST(TalkModel, cuts_the_portrait_around_the_face_that_it_is_told) {
  constexpr int64_t kHeight = 100, kWidth = 200, kBorder = 70;  // dark to the left, bright to the right
  auto pixels = std::make_shared<std::vector<uint8_t>>();
  for (int64_t i = 0; i < kHeight * kWidth; ++i) pixels->insert(pixels->end(), 3, i % kWidth < kBorder ? 20 : 220);
  Request request = request_of();
  request.image = Image{{pixels, pixels->data()}, kHeight, kWidth};
  const auto& cropper = dynamic_cast<const FaceCrop&>(model());
  ASSERT_FALSE(cropper.finds_faces());
  const auto brightness = [&](int64_t side) {
    const Image face = cropper.crop(request, side);
    EXPECT_EQ(face.height, side);
    EXPECT_EQ(face.width, side);
    int64_t sum = 0;
    for (int64_t i = 0; i < side * side * 3; ++i) sum += face.rgb.get()[i];
    return static_cast<double>(sum) / static_cast<double>(side * side * 3);
  };
  EXPECT_NEAR(brightness(512), 180, 4) << "the middle: a fifth of it dark";
  request.options.set("face", std::vector<double>{100, 30, 140, 70});
  EXPECT_NEAR(brightness(512), 220, 1);
  EXPECT_NEAR(brightness(96), 220, 1);
  request.options.set("face", std::vector<double>{10, 30, 40, 60});
  EXPECT_NEAR(brightness(64), 20, 1);
}

/// Each frame has a pattern of its own.
class PatternVideo final : public DrivingVideo {
 public:
  PatternVideo(int64_t frames, double fps, int64_t audio_hz)
      : frames_(frames), fps_(fps), hz_(audio_hz), audio_(speech(std::llround(frames * audio_hz / fps))) {}
  double fps() const override { return fps_; }
  std::optional<Image> frame(int64_t index) const override {
    if (index >= frames_) return std::nullopt;
    const auto pixels = std::make_shared<std::vector<uint8_t>>(60 * 80 * 3);
    for (std::size_t i = 0; i < pixels->size(); ++i)
      (*pixels)[i] = static_cast<uint8_t>((i * 31 + static_cast<std::size_t>(index) * 977) % 256);
    return Image{{pixels, pixels->data()}, 60, 80};
  }
  int64_t audio_hz() const override { return hz_; }
  const std::vector<float>& audio() const override { return audio_; }
  std::vector<std::array<double, 4>> faces() const override { return {}; }
  int64_t bytes() const override { return 0; }

 private:
  int64_t frames_;
  double fps_;
  int64_t hz_;
  std::vector<float> audio_;
};

Video driven(const Request& request, const std::function<void(const FrameBlock&)>& look = {}) {
  const auto generator = start(model(), request);
  Video video;
  for (;;) {
    const StepResult result = generator->step({});
    for (const Event& event : result.events) {
      const auto& block = std::get<FrameBlock>(event);
      EXPECT_EQ(block.first_video_frame, video.frames);
      video.frames += block.video_frames;
      video.pixels.insert(video.pixels.end(), block.frame(0), block.frame(block.video_frames));
      if (block.audio.samples)
        video.sound.insert(video.sound.end(), block.audio.samples->begin(), block.audio.samples->end());
      if (look) look(block);
    }
    if (result.outcome == StepOutcome::finished) return video;
    EXPECT_EQ(result.outcome, StepOutcome::again) << "a driven portrait waits for nothing";
    if (result.outcome != StepOutcome::again) return video;
  }
}

TEST(TalkGenerator, a_driven_portrait_has_the_rate_the_length_and_the_sound_of_its_video) {
  for (const double fps : {25.0, 29.97}) {
    for (const int64_t frames : {1, 5, 13}) {
      SCOPED_TRACE(frames);
      Request request = request_of();
      const auto video = std::make_shared<const PatternVideo>(frames, fps, 48'000);
      request.video = video;
      const VideoFormat format = model().plan(request)->format();
      EXPECT_EQ(format.fps, fps);
      EXPECT_EQ(format.audio_hz, 48'000);
      EXPECT_EQ(format.speech_hz, 0);
      const Video made = driven(request, [&](const FrameBlock& block) { EXPECT_EQ(block.fps, fps); });
      EXPECT_EQ(made.frames, frames);
      EXPECT_EQ(made.sound, video->audio());
    }
  }
}

TEST(TalkGenerator, names_the_settings_of_speech_where_a_video_drives) {
  Request request = request_of();
  request.options.set("nfe", int64_t{5});
  request.options.set("gaze_style", std::vector<double>{0, 1});
  EXPECT_TRUE(model().plan(request)->ignored.empty());
  request.video = std::make_shared<const PatternVideo>(3, 25, 0);
  std::vector<std::string> fields;
  const auto plan = model().plan(request);
  for (const Ignored& each : plan->ignored) fields.push_back(each.field);
  EXPECT_EQ(fields, (std::vector<std::string>{"nfe", "chunk_duration", "gaze_style"}));
  request.fps = 30;
  EXPECT_THROW(model().plan(request), Error);
}

TEST(TalkGenerator, all_64_bits_of_a_seed_count) {
  std::set<std::vector<uint8_t>> videos;
  for (const uint64_t seed : {0ull, 1ull << 32, ~0ull}) {
    Request request = request_of();
    request.seed = seed;
    const auto generator = start(model(), request);
    Video video;
    Inbox inbox{.prompt = {}, .speech = speech(3200), .end_of_speech = true};
    for (StepOutcome outcome = StepOutcome::again; outcome == StepOutcome::again; inbox = {}) {
      const StepResult result = generator->step(inbox);
      take(result, video);
      outcome = result.outcome;
    }
    ASSERT_GT(video.frames, 0);
    videos.insert(video.pixels);
  }
  EXPECT_EQ(videos.size(), 3u);
}

TEST(TalkGenerator, a_driven_portrait_moves_as_its_video_does) {
  Request request = request_of();
  request.video = std::make_shared<const PatternVideo>(7, 25, 0);
  const Video made = driven(request);
  EXPECT_TRUE(made.sound.empty());
  ASSERT_EQ(made.frames, 7);
  const std::size_t frame = made.pixels.size() / 7;
  // What the reference computes for each frame by itself: the motion encoder's reading, rendered.
  const auto& parts = *dynamic_cast<const TalkModel&>(model()).parts();
  const c10::InferenceMode inference;
  const auto picture = [](const Image& p) {
    return at::from_blob(const_cast<uint8_t*>(p.rgb.get()), {p.height, p.width, 3}, at::kByte);
  };
  const imtalker::Portrait portrait = parts.renderer.portrait(imtalker::pixels_to_frames(picture(*request.image)));
  for (const int64_t index : {0, 6}) {
    const auto shown = request.video->frame(index);
    const at::Tensor face = imtalker::pixels_to_frames(
        tensor::resize(picture(*shown).slice(1, 10, 70).contiguous(), 128, 128, tensor::Resampling::lanczos));
    const at::Tensor wanted = imtalker::frames_to_pixels(parts.renderer.render(parts.renderer.motion(face), portrait));
    const at::Tensor got =
        at::from_blob(const_cast<uint8_t*>(made.pixels.data()) + static_cast<std::size_t>(index) * frame,
                      {1, 128, 128, 3}, at::kByte);
    EXPECT_LE((wanted.to(at::kInt) - got.to(at::kInt)).abs().max().item<int>(), 1) << index;
  }
}

TEST(TalkGenerator, a_driving_video_and_windows_of_speech_exclude_each_other) {
  Request request = request_of(Mode::reference);
  request.video = std::make_shared<const PatternVideo>(3, 25, 0);
  EXPECT_THROW(model().plan(request), Error);
}

TEST(TalkGenerator, who_shares_forwards_with_others_makes_the_same_video) {
  std::vector<Request> requests;
  for (int64_t i = 0; i < 3; ++i) {
    requests.push_back(request_of());
    requests.back().seed = 7 + i;
  }
  requests[1].options.set("pose_style", std::vector<double>{0.5, -0.5, 0.1});
  requests[2].options.set("gaze_style", std::vector<double>{0.3, 0.2});
  const std::vector<float> wave = speech(640 * 15);
  std::vector<Video> alone, together(3);
  for (const Request& request : requests) alone.push_back(talk(request, wave, {3200}, End::apart));

  std::vector<std::unique_ptr<Generator>> generators;
  for (const Request& request : requests) generators.push_back(start(model(), request));
  int64_t shared = 0;
  for (std::size_t at = 0; at <= wave.size(); at += 3200) {
    Inbox piece;
    const std::size_t count = std::min<std::size_t>(3200, wave.size() - at);
    piece.speech.assign(wave.begin() + static_cast<std::ptrdiff_t>(at),
                        wave.begin() + static_cast<std::ptrdiff_t>(at + count));
    piece.end_of_speech = count == 0;
    if (at == 0)  // a portrait first
      for (const auto& generator : generators) generator->step({});
    std::vector<Waiting> waiting;
    for (const auto& generator : generators) {
      EXPECT_EQ(generator->shape_of_step(piece), generators[0]->shape_of_step(piece));
      waiting.push_back({generator.get(), &piece});
    }
    if (!generators[0]->shape_of_step(piece).empty()) {
      model().prepare(waiting);
      ++shared;
      EXPECT_TRUE(generators[0]->shape_of_step(piece).empty()) << "it is prepared already";
    }
    for (std::size_t i = 0; i < generators.size(); ++i) {
      StepResult result = generators[i]->step(piece);
      take(result, together[i]);
      while (result.outcome == StepOutcome::again) take(result = generators[i]->step({}), together[i]);
    }
  }
  EXPECT_EQ(shared, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(together[i].frames, alone[i].frames);
    EXPECT_TRUE(together[i].pixels == alone[i].pixels) << i;
    EXPECT_EQ(together[i].sound, alone[i].sound);
  }
  EXPECT_FALSE(alone[0].pixels == alone[1].pixels);
}

TEST(TalkGenerator, only_speech_of_one_shape_is_shared) {
  const auto generator = start(model(), request_of());
  Inbox piece;
  piece.speech = speech(3200);
  EXPECT_EQ(generator->shape_of_step(piece), "") << "the portrait comes first";
  generator->step({});
  EXPECT_EQ(generator->shape_of_step({}), "") << "nothing to say";
  const std::string shape = generator->shape_of_step(piece);
  EXPECT_NE(shape, "");
  Request other = request_of();
  other.options.set("steps", int64_t{9});
  const auto slower = start(model(), other);
  slower->step({});
  EXPECT_NE(slower->shape_of_step(piece), shape);
  const auto copy = generator->fork();
  model().prepare(std::vector<Waiting>{{generator.get(), &piece}});
  EXPECT_EQ(copy->shape_of_step(piece), shape);
  EXPECT_EQ(generator->fork()->shape_of_step({}), "") << "a copy has not heard what the origin waits to step with";
}

}  // namespace
}  // namespace rushes::generation
